from dataclasses import dataclass

from gemma_eval.metrics import chartqa
from gemma_eval.task import Average, DatasetRef, Row, register
from gemma_eval.types import JSON, Grade

from .visual_question import VisualQuestion

HALVES = ("human", "augmented")


@register
@dataclass
class ChartQA(VisualQuestion):
    """ChartQA (Masry et al., 2022, arXiv 2203.10244): questions on charts, by people and by a model. GPL 3.0.

    The report states 4-shot sampling; its caption says validation split. The row is the mean of the two halves: those of an
    earlier card average to it. Relaxed accuracy: numbers within 5 %. `as_written` reads numbers as Google's evaluator does, for
    which "1,234" and "$5" are none; `exact_match` wants the gold's text.
    """

    dataset: DatasetRef = DatasetRef("HuggingFaceM4/ChartQA", split="val", fewshot_split="train")

    name = "chartqa"
    card = "ChartQA"
    undisclosed = "Prompt and exemplars are not stated: four questions drawn by seed from train. dataset.split=test gives the test split."
    average = Average.macro
    primary = "relaxed_accuracy"

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("relaxed_accuracy", "as_written", "exact_match")

    def subset(self, row: Row, config: str) -> str:
        return HALVES[int(row["human_or_machine"])]

    def question(self, row: Row) -> str:
        return str(row["query"]).strip()

    def golds(self, row: Row) -> list[str]:
        return [str(label).strip() for label in row["label"]]

    def grade(self, text: str, target: JSON) -> Grade:
        assert isinstance(target, list)
        answer, golds = text.strip(), [str(gold) for gold in target]
        rules = {"relaxed_accuracy": chartqa.relaxed, "as_written": chartqa.relaxed_as_written}
        scores = {name: max(rule(answer, gold) for gold in golds) for name, rule in rules.items()}
        return Grade(scores | {"exact_match": float(answer in golds)}, answer or None)
