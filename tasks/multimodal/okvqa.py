from dataclasses import dataclass

from gemma_eval.task import DatasetRef, Row, register

from .soft_accuracy import SoftAccuracy


@register
@dataclass
class OKVQA(SoftAccuracy):
    """OK-VQA (Marino et al., 2019, arXiv 1906.00067): questions about COCO photographs that need outside knowledge.

    Licence: CC BY 4.0. Card row: "OKVQA".

    The report states 4-shot sampling on the validation split. It gives neither prompt nor examples: we draw four questions of the
    validation split, since the Hub's copy has no train split, and do not score their images. Five people answered each question; the
    dataset counts each of them twice.
    """

    dataset: DatasetRef = DatasetRef("lmms-lab-encoder/OK-VQA", split="val2014", fewshot_split="val2014")
    max_tokens: int = 16

    name = "okvqa"
    card = "OKVQA"
    undisclosed = (
        "Google does not publish its prompt or examples; we draw four questions from the validation split (seed 1234 by default), since "
        "the Hub's copy has no train split, and do not score their images."
    )

    def image_key(self, row: Row, id: str) -> str:
        return str(row["question_id"])[:-1]  # a question's id is the id of its image and one more digit
