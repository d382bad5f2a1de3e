from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Row, register

from .edit_similarity import EditSimilarity


@register
@dataclass
class DocVQA(EditSimilarity):
    """DocVQA (Mathew et al., 2021, arXiv 2007.00398): questions about scanned pages.

    Licence: for research, under the terms of rrc.cvc.uab.es. Card row: "DocVQA (val)".

    The report states 4-shot sampling and ANLS on the validation split, without Pan & Scan: the whole page becomes 896 x 896 pixels.
    It gives neither prompt nor examples: we draw four questions of the validation split, since the Hub's copy has no train split, and
    do not score their pages.
    """

    dataset: DatasetRef = DatasetRef(
        "lmms-lab-encoder/DocVQA",
        config="DocVQA",
        split="validation",
        fewshot_split="validation",
        pinned="539088ef8a8ada01ac8e2e6d4e372586748a265e",
    )

    name = "docvqa"
    card = "DocVQA"
    undisclosed = (
        "Google does not publish its prompt or examples; we draw four questions from the validation split (seed 1234 by default), since "
        "the Hub's copy has no train split, and do not score their pages."
    )

    def image_key(self, row: Row, id: str) -> str:
        return f"{row['ucsf_document_id']}/{row['ucsf_document_page_no']}"
