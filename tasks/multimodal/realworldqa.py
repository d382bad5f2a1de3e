from dataclasses import dataclass

from gemma_eval.metrics import options
from gemma_eval.task import DatasetRef, Row, register

from .visual_question import VisualQuestion


@register
@dataclass
class RealWorldQA(VisualQuestion):
    """RealWorldQA (xAI, 2024, x.ai/blog/grok-1.5v): 765 questions about photographs, many of them taken from cars.

    Licence: CC BY-ND 4.0. Card row: "RealWorldQA".

    The report states 4-shot sampling with text-only exemplars. It gives neither prompt nor examples: we draw four questions, since
    there is no other split. They are shown without their images and not scored, which leaves at most 761.

    Each question says how to answer it: with a letter, a number or a word. A letter may be followed by its option. All other answers
    are compared without case and final full stop.
    """

    dataset: DatasetRef = DatasetRef(
        "xai-org/RealworldQA", split="test", fewshot_split="test", pinned="17e7f75e092e47169732462ea3cdfebe911105dd"
    )
    max_tokens: int = 16

    name = "realworldqa"
    card = "RealWorldQA"
    undisclosed = (
        "Google does not publish its prompt or examples; we draw four questions as examples (seed 1234 by default), since there is no "
        "other split, and show them without images. That leaves at most 761 questions to score."
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
        if len(wanted) == 1 and wanted in "ABCDEFGHIJ" and (letter := options.letter(answer)):
            return float(letter == wanted)
        return float(_normalized(answer) == _normalized(wanted))


def _normalized(text: str) -> str:
    """The text in lower case, without a final full stop."""
    return text.strip().removesuffix(".").strip().lower()
