from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Row, register

from .edit_similarity import EditSimilarity


@register
@dataclass
class InfoVQA(EditSimilarity):
    """InfographicVQA (Mathew et al., 2022, arXiv 2104.12756): questions on infographics. For research, terms of rrc.cvc.uab.es.

    The report states 4-shot sampling and ANLS on the validation split, without Pan & Scan: tall posters become 896 x 896 pixels.
    The recognised text that the rows hold is not shown.
    """

    dataset: DatasetRef = DatasetRef("lmms-lab/DocVQA", config="InfographicVQA", split="validation", fewshot_split="validation")

    name = "infovqa"
    card = "InfoVQA"
    undisclosed = (
        "Prompt and exemplars are not stated: four questions drawn by seed from the validation split, whose posters are not scored "
        "(the Hub's copy has no train split)."
    )

    def picture(self, row: Row, id: str) -> str:
        return str(row["image_url"])
