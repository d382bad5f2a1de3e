from dataclasses import dataclass

from gemma_eval.metrics import chartqa
from gemma_eval.task import JSON, Average, DatasetRef, Grade, Row, register

from .visual_question import VisualQuestion

HALVES = ("human", "augmented")


@register
@dataclass
class ChartQA(VisualQuestion):
    """ChartQA (Masry et al., 2022, arXiv 2203.10244): questions about charts, written by people (human) or by a model (augmented).

    Licence: GPL 3.0. Card row: "ChartQA".

    The report states 4-shot sampling on the validation split. It gives neither prompt nor examples: we draw four questions of train.
    The score is the mean of the two halves, because the scores of the halves on an earlier card average to the row.

    `relaxed_accuracy` accepts numbers within 5 %. `as_written` reads numbers as Google's evaluator does
    (github.com/google-research/big_vision), which does not understand "1,234" or "$5". `exact_match` wants the text of the gold
    answer.
    """

    dataset: DatasetRef = DatasetRef(
        "HuggingFaceM4/ChartQA", split="val", fewshot_split="train", pinned="b605b6e08b57faf4359aeb2fe6a3ca595f99b6c5"
    )

    name = "chartqa"
    card = "ChartQA"
    undisclosed = (
        "Google does not publish its prompt or examples; we draw four questions from train (seed 1234 by default). For the test split: "
        "dataset.split=test."
    )
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
