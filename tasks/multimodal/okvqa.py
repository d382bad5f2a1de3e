from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Row, register

from .soft_accuracy import SoftAccuracy


@register
@dataclass
class OKVQA(SoftAccuracy):
    """OK-VQA (Marino et al., 2019, arXiv 1906.00067): questions on COCO photographs that take outside knowledge. CC BY 4.0.

    The report states 4-shot sampling on the validation split. Five people answered; each counts twice in the ten answers.
    """

    dataset: DatasetRef = DatasetRef("lmms-lab/OK-VQA", split="val2014", fewshot_split="val2014")
    max_tokens: int = 16

    name = "okvqa"
    card = "OKVQA"
    undisclosed = (
        "Prompt and exemplars are not stated: four questions drawn by seed from the validation split, whose pictures are not scored "
        "(the Hub's copy has no train split)."
    )

    def picture(self, row: Row, id: str) -> str:
        return str(row["question_id"])[:-1]  # a question's id is its picture's and one more digit
