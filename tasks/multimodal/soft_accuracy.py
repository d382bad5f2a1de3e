"""What the pages with ten annotators' answers have in common."""

from collections import Counter
from dataclasses import dataclass

from gemma_eval.metrics import vqa
from gemma_eval.task import Row
from gemma_eval.types import JSON, Grade

from .visual_question import VisualQuestion


@dataclass
class SoftAccuracy(VisualQuestion):
    """An answer is right as far as others agree: 0.3 for one annotator of ten, 0.6, 0.9, and 1 from four on.

    The official script cleans texts only where the annotators differ; `vqa_cleaned` always does.
    """

    primary = "vqa"

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("vqa", "vqa_cleaned")

    def answers(self, row: Row) -> list[str]:
        """The annotators' answers, in their order."""
        return [str(answer) for answer in row["answers"]]

    def question(self, row: Row) -> str:
        return str(row["question"]).strip()

    def golds(self, row: Row) -> list[str]:
        return [answer for answer, count in Counter(self.answers(row)).most_common() if count >= 4]

    def solution(self, row: Row) -> str:
        return Counter(self.answers(row)).most_common(1)[0][0]

    def target(self, row: Row) -> JSON:
        return list(self.answers(row))

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, list)
        answer, golds = text.strip(), [str(gold) for gold in target]
        scores = {"vqa": vqa.accuracy(answer, golds), "vqa_cleaned": vqa.normalized_accuracy(answer, golds)}
        return Grade(scores, answer or None)
