from dataclasses import dataclass

from gemma_eval.metrics import vqa
from gemma_eval.task import JSON, DatasetRef, Grade, Row, register

from .soft_accuracy import SoftAccuracy


@register
@dataclass
class TextVQA(SoftAccuracy):
    """TextVQA (Singh et al., 2019, arXiv 1904.08920): questions about text in photographs, with ten annotators.

    Licence: CC BY 4.0. Card row: "TextVQA (val)".

    The report states 4-shot sampling on the validation split. It gives neither prompt nor examples: we draw four questions of train,
    each with its most frequent answer. Texts are always cleaned, by TextVQA's own processor. The rows also hold recognized text and
    objects; these are not shown.
    """

    dataset: DatasetRef = DatasetRef(
        "lmms-lab-encoder/textvqa", split="validation", fewshot_split="train", pinned="9c0699cd19768ac5ab97568f6b3cbac4c0062884"
    )

    name = "textvqa"
    card = "TextVQA"
    undisclosed = (
        "Google does not publish its prompt or examples; we draw four questions from train (seed 1234 by default), each with its most "
        "frequent answer."
    )

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("vqa",)

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, list)
        answer = text.strip()
        return Grade({"vqa": vqa.textvqa_accuracy(answer, [str(gold) for gold in target])}, answer or None)

    def image_key(self, row: Row, id: str) -> str:
        return str(row["image_id"])
