"""The common part of the pages with the answers of ten annotators: VQAv2, OK-VQA and TextVQA."""

from collections import Counter
from dataclasses import dataclass

from gemma_eval.metrics import vqa
from gemma_eval.task import JSON, Grade, Row

from .visual_question import VisualQuestion


@dataclass
class SoftAccuracy(VisualQuestion):
    """VQA accuracy: 0.3, 0.6 or 0.9 for an answer that one, two or three of the ten annotators gave, 1 for four or more.

    `vqa` cleans texts only if the annotators differ, as the official script does. `vqa_cleaned` always does.
    """

    primary = "vqa"

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("vqa", "vqa_cleaned")

    may_be_blank = ("answers",)  # an annotator may have had none

    def answers(self, row: Row) -> list[str]:
        """The answers of the annotators, in order."""
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
