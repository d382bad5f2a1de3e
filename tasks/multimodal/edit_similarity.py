"""The common part of DocVQA and InfographicVQA."""

from dataclasses import dataclass

from gemma_eval.metrics import anls
from gemma_eval.task import Row

from .visual_question import VisualQuestion


@dataclass
class EditSimilarity(VisualQuestion):
    """Reads an answer off a page. The score is ANLS against the closest gold answer, with threshold 0.5."""

    max_tokens: int = 64

    primary = "anls"

    def question(self, row: Row) -> str:
        return str(row["question"]).strip()

    def golds(self, row: Row) -> list[str]:
        return list(dict.fromkeys(row["answers"]))

    def extract(self, text: str) -> str | None:
        return text.strip() or None

    def judge(self, answer: str, golds: list[str]) -> float:
        return anls.similarity(answer, golds)
