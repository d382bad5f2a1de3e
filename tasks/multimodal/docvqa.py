from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Row, register

from .edit_similarity import EditSimilarity


@register
@dataclass
class DocVQA(EditSimilarity):
    """DocVQA (Mathew et al., 2021, arXiv 2007.00398): questions on scanned pages. For research, under the terms of rrc.cvc.uab.es.

    The report states 4-shot sampling and ANLS on the validation split, without Pan & Scan: the whole page becomes 896 x 896 pixels.
    """

    dataset: DatasetRef = DatasetRef("lmms-lab/DocVQA", config="DocVQA", split="validation", fewshot_split="validation")

    name = "docvqa"
    card = "DocVQA"
    undisclosed = (
        "Prompt and exemplars are not stated: four questions drawn by seed from the validation split, whose pages are not scored "
        "(the Hub's copy has no train split)."
    )

    def picture(self, row: Row, id: str) -> str:
        return f"{row['ucsf_document_id']}/{row['ucsf_document_page_no']}"
