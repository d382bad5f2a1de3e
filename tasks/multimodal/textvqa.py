from dataclasses import dataclass

from gemma_eval.metrics import vqa
from gemma_eval.task import DatasetRef, Row, register
from gemma_eval.types import JSON, Grade

from .soft_accuracy import SoftAccuracy


@register
@dataclass
class TextVQA(SoftAccuracy):
    """TextVQA (Singh et al., 2019, arXiv 1904.08920): questions on text in photographs, ten annotators. CC BY 4.0.

    The report states 4-shot sampling on the validation split. Texts are always cleaned, by TextVQA's own processor. The
    recognised text and the objects that the rows hold are not shown.
    """

    dataset: DatasetRef = DatasetRef("lmms-lab/textvqa", split="validation", fewshot_split="train")

    name = "textvqa"
    card = "TextVQA"
    undisclosed = "Prompt and exemplars are not stated: four questions drawn by seed from train, each with its commonest answer."

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("vqa",)

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, list)
        answer = text.strip()
        return Grade({"vqa": vqa.textvqa_accuracy(answer, [str(gold) for gold in target])}, answer or None)

    def picture(self, row: Row, id: str) -> str:
        return str(row["image_id"])
