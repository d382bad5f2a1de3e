"""Who read an answer: the primary extractor, a diagnostic alone, or none.

Lost answers look like a weak model. So each diagnostic reads what the primary extractor could not. It has read an answer if it extracts
something or gives the item credit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gemma_eval.store.scores import ReadAlone, Readers
from gemma_eval.task.base import Generation, Task
from gemma_eval.types import GenerateResponse, Record


@dataclass(frozen=True)
class Reading:
    """What one metric makes of an answer. `text`: what it extracts; None if it finds nothing, or extracts nothing of its own."""

    text: str | None
    score: float

    @property
    def is_an_answer(self) -> bool:
        """Whether the metric extracts something or gives credit."""
        return self.text is not None or bool(self.score)


def scores_answers_alone(task: Task) -> bool:
    """Whether each answer is scored by itself. Some pages score several together, such as a question in two languages."""
    return type(task).records_to_average is Task.records_to_average


def diagnostic_metrics(task: Task) -> list[str]:
    """The metrics to compare with the primary one, item by item; none if it is no metric of single generated texts itself."""
    primary, *others = task.metrics
    of_many = task.corpus_metrics()
    by_item = scores_answers_alone(task) and primary not in of_many
    return [metric for metric in others if metric not in of_many] if isinstance(task, Generation) and by_item else []


def diagnostic_readings(task: Task, record: Record) -> dict[str, Reading]:
    """What each diagnostic reads in the record's first text, by metric. A score that the record lacks counts as 0."""
    texts = _texts(task, record)
    return {metric: Reading(texts.get(metric) or None, _score(record, metric)) for metric in diagnostic_metrics(task)}


def _texts(task: Task, record: Record) -> Mapping[str, str | None]:
    if not isinstance(task, Generation) or not isinstance(record.response, GenerateResponse):
        return {}
    try:
        return task.diagnostic_answers(record.response.texts[0], record.target)
    except Exception:  # the record was scored by an older page; the next rescore names the error
        return {}


def _score(record: Record, metric: str) -> float:
    score = record.scores.get(metric, 0.0)
    return 0.0 if isinstance(score, list) else score


def read_alone(task: Task, record: Record) -> dict[str, Reading]:
    """By metric, the diagnostics that read the answer where the primary extractor found none."""
    if record.extracted is not None:
        return {}
    return {metric: found for metric, found in diagnostic_readings(task, record).items() if found.is_an_answer}


def count_readers(task: Task, records: Sequence[Record]) -> Readers | None:
    """Who read the answers of a task; None if it generates none."""
    answers = [record for record in records if isinstance(record.response, GenerateResponse)]
    if not answers:
        return None
    alone = [read_alone(task, record) for record in answers if record.extracted is None]
    by_metric = {metric: [found[metric] for found in alone if metric in found] for metric in diagnostic_metrics(task)}
    return Readers(
        primary=len(answers) - len(alone),
        diagnostic=sum(map(bool, alone)),
        none=sum(not found for found in alone),
        alone={metric: ReadAlone(len(found), sum(one.score > 0 for one in found)) for metric, found in by_metric.items() if found},
    )


@dataclass(frozen=True)
class Difference:
    """An item on which the primary metric and a diagnostic differ: one of them alone reads an answer, or gives credit."""

    record: Record
    primary: Reading
    diagnostics: Mapping[str, Reading]


@dataclass(frozen=True)
class Explanation:
    """Where a task's primary metric and its diagnostics differ, among `answers` scored answers."""

    task: Task
    diagnostics: list[str]
    answers: int
    differences: list[Difference]


def differences(task: Task, records: Sequence[Record]) -> list[Difference]:
    """The items on which the primary metric and a diagnostic differ, in the order of the records."""
    found = [Difference(record, _primary(task, record), diagnostic_readings(task, record)) for record in records]
    return [one for one in found if any(_differs(one, other) for other in one.diagnostics.values())]


def _primary(task: Task, record: Record) -> Reading:
    return Reading(record.extracted, _score(record, task.metrics[0]))


def _differs(one: Difference, other: Reading) -> bool:
    lost = one.record.extracted is None and other.is_an_answer
    return lost or bool(one.primary.score) != bool(other.score)
