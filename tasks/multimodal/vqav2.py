from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Row, register

from .soft_accuracy import SoftAccuracy


@register
@dataclass
class VQAv2(SoftAccuracy):
    """VQA v2 (Goyal et al., 2017, arXiv 1612.00837): short questions on COCO photographs, ten annotators. CC BY 4.0.

    The report states 4-shot sampling on the validation split. The score is the challenge's soft accuracy, over all items; subsets
    are its kinds of answer. 214,354 questions: `limit=10000` has a standard error below half a point.
    """

    dataset: DatasetRef = DatasetRef("lmms-lab/VQAv2", split="validation", fewshot_split="validation")
    max_tokens: int = 16

    name = "vqav2"
    card = "VQAv2"
    undisclosed = (
        "Prompt, exemplars and how many items are not stated: four questions drawn by seed from the validation split, whose pictures "
        "are not scored (the Hub's copy has no train split)."
    )

    def subset(self, row: Row, config: str) -> str:
        return str(row["answer_type"])

    def answers(self, row: Row) -> list[str]:
        return [str(one["answer"]) for one in row["answers"]]

    def picture(self, row: Row, id: str) -> str:
        return str(row["image_id"])
