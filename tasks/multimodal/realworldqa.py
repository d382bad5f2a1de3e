from dataclasses import dataclass

from gemma_eval.metrics import letters
from gemma_eval.task import DatasetRef, Row, register

from .visual_question import VisualQuestion


@register
@dataclass
class RealWorldQA(VisualQuestion):
    """RealWorldQA (xAI, 2024, x.ai/blog/grok-1.5v): 765 questions on photographs, many taken from cars. CC BY-ND 4.0.

    The report states 4-shot sampling with exemplars of text only. A question says itself how to answer it: with a letter, a
    number or a word. Letters may be followed by their option; all else is compared without case and final stop.
    """

    dataset: DatasetRef = DatasetRef("xai-org/RealworldQA", split="test", fewshot_split="test")
    max_tokens: int = 16

    name = "realworldqa"
    card = "RealWorldQA"
    undisclosed = (
        "Prompt and exemplars are not stated: four questions drawn by seed, without their pictures, which leaves at most 761 to score "
        "(there is no other split)."
    )
    text_only_shots = True

    def question(self, row: Row) -> str:
        return str(row["question"]).strip()

    def golds(self, row: Row) -> list[str]:
        return [str(row["answer"]).strip()]

    def extract(self, text: str) -> str | None:
        return text.strip() or None

    def judge(self, answer: str, golds: list[str]) -> float:
        wanted = golds[0]
        if len(wanted) == 1 and wanted in "ABCDEFGHIJ" and (letter := letters.leading(answer)):
            return float(letter == wanted)
        return float(_even(answer) == _even(wanted))


def _even(text: str) -> str:
    return text.strip().removesuffix(".").strip().lower()
