from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Row, register

from .edit_similarity import EditSimilarity


@register
@dataclass
class InfoVQA(EditSimilarity):
    """InfographicVQA (Mathew et al., 2022, arXiv 2104.12756): questions about infographics.

    Licence: for research, under the terms of rrc.cvc.uab.es. Card row: "InfoVQA (val)".

    The report states 4-shot sampling and ANLS on the validation split, without Pan & Scan: a tall poster becomes 896 x 896 pixels. It
    gives neither prompt nor examples: we draw four questions of the validation split, since the Hub's copy has no train split, and do
    not score their posters. The text recognized in the posters, which the rows hold, is not shown.
    """

    dataset: DatasetRef = DatasetRef(
        "lmms-lab-encoder/DocVQA",
        config="InfographicVQA",
        split="validation",
        fewshot_split="validation",
        pinned="539088ef8a8ada01ac8e2e6d4e372586748a265e",
    )

    name = "infovqa"
    card = "InfoVQA"
    undisclosed = (
        "Google does not publish its prompt or examples; we draw four questions from the validation split (seed 1234 by default), since "
        "the Hub's copy has no train split, and do not score their posters."
    )

    def image_key(self, row: Row, id: str) -> str:
        return str(row["image_url"])
