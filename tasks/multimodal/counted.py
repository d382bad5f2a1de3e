"""The common part of the counting pages: TallyQA and CountBenchQA."""

from collections.abc import Callable
from dataclasses import dataclass

from gemma_eval.metrics import counting
from gemma_eval.task import Row

from .visual_question import VisualQuestion


@dataclass
class Counted(VisualQuestion):
    """Counts things. The whole answer must be a number, in digits or as a word up to twenty. The diagnostic `first_number` takes the
    first number in the answer.
    """

    max_tokens: int = 16

    def question(self, row: Row) -> str:
        return str(row["question"]).strip()

    def extract(self, text: str) -> str | None:
        return counting.whole(text)

    def diagnostics(self) -> dict[str, Callable[[str], str | None]]:
        return {"first_number": counting.first}

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(answer in golds and answer.isdecimal())
