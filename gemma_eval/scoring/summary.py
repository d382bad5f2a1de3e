"""Records become scores: values with intervals, and counts of what failed."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TypedDict

from gemma_eval.errors import MetricError, RunError
from gemma_eval.scoring.readers import count_readers
from gemma_eval.stats import intervals as stats
from gemma_eval.store.scores import GroupScores, MetricScore, PartScores, TaskScores
from gemma_eval.task.base import Average, Task
from gemma_eval.types import GenerateResponse, Record

log = logging.getLogger(__name__)


def summarize(task: Task, records: Sequence[Record], size: int) -> TaskScores:
    """The scores of one task's records. `size`: items of the full split, before any limit."""
    averaged = task.records_to_average(records)
    subsets = [record.subset for record in averaged]
    several = len(set(subsets)) > 1
    own = averaged_subsets(task, averaged)
    other = subsets if own is None else None
    alternative = {metric: _metric(task, averaged, metric, other) for metric in task.metrics} if several else None
    metrics = {metric: _metric(task, averaged, metric, own) for metric in task.metrics}
    return TaskScores(
        primary=task.metrics[0],
        average=task.average.value if several else None,
        n=len(records),
        size=size,
        metrics=metrics,
        micro=alternative if own is not None else None,
        macro=alternative if own is None else None,
        subsets={name: _subset(task, [r for r in averaged if r.subset == name]) for name in sorted(set(subsets))} if several else {},
        groups={
            name: _group(task, [r for r in records if task.group(r.subset) == name])
            for name in sorted({task.group(subset) for subset in subsets} - {""})
        },
        signature=task.signature,
        num_fewshot=task.num_fewshot,
        changed=task.changed(),
        comparable=task.comparable,
        undisclosed=task.undisclosed,
        warnings=[f"{metric} is not a finite number" for metric, found in metrics.items() if found.value is None],
        readers=count_readers(task, records),
        **_failures(records),
    )


def _group(task: Task, records: Sequence[Record]) -> GroupScores:
    averaged = task.records_to_average(records)
    subsets = averaged_subsets(task, averaged)
    metrics = {metric: _metric(task, averaged, metric, subsets) for metric in task.metrics}
    return GroupScores(n=len(records), metrics=metrics, readers=count_readers(task, records), **_failures(records))


def averaged_subsets(task: Task, records: Sequence[Record]) -> list[str] | None:
    """Each record's subset, if the task's score is the mean over several subsets; None otherwise."""
    subsets = [record.subset for record in records]
    return subsets if task.average is Average.macro and len(set(subsets)) > 1 else None


def _subset(task: Task, records: Sequence[Record]) -> PartScores:
    return PartScores(n=len(records), metrics={metric: _metric(task, records, metric, None) for metric in task.metrics})


def _metric(task: Task, records: Sequence[Record], metric: str, subsets: Sequence[str] | None) -> MetricScore:
    try:
        values = item_values(task, records, metric, subsets)
    except MetricError as error:
        log.warning("%s", error)
        return MetricScore(None)
    found = stats.estimate(values, [record.cluster for record in records], subsets, task.scale)
    interval = None if math.isnan(found.low) else (found.low, found.high)
    return MetricScore(_known(found.value), _known(found.stderr), interval, found.clusters)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def item_values(task: Task, records: Sequence[Record], metric: str, subsets: Sequence[str] | None) -> list[float]:
    """One value a record, whose mean (over `subsets`, if given) is the metric.

    They are the items' own scores, or for a corpus metric the pseudo-values of each subset's corpus. Raises `RunError` if a record has no
    such score, and `MetricError` if the corpus metric is not a finite number.
    """
    score = task.corpus_metrics().get(metric)
    if score is None:
        return [_number(task, record, metric) for record in records]
    counts = [_counts(task, record, metric, like=records[0]) for record in records]
    corpora: dict[str, list[int]] = defaultdict(list)
    for index, subset in enumerate(subsets or [""] * len(records)):
        corpora[subset].append(index)
    values = [0.0] * len(records)
    for members in corpora.values():
        try:
            found = stats.pseudo_values([counts[index] for index in members], score)
        except ValueError as error:
            raise MetricError(f"{task.name}: {metric} is not a finite number") from error
        for index, value in zip(members, found, strict=True):
            values[index] = value
    return values


def _number(task: Task, record: Record, metric: str) -> float:
    score = record.scores.get(metric)
    if score is None or isinstance(score, list):
        raise _without(task, record, metric)
    return score


def _counts(task: Task, record: Record, metric: str, like: Record) -> list[int]:
    score, other = record.scores.get(metric), like.scores.get(metric)
    if not isinstance(score, list) or not isinstance(other, list) or len(score) != len(other):
        raise _without(task, record, metric)
    return score


def _without(task: Task, record: Record, metric: str) -> RunError:
    return RunError(f"{task.name}: the record of item {record.id} has no score {metric!r} as the task has it; run `gemma-eval rescore`")


class Failures(TypedDict):
    """Counts of what failed, by the names that scores have them under."""

    extraction_failures: int
    empty: int
    truncated: int
    dropped_shots: int


def _failures(records: Sequence[Record]) -> Failures:
    """Counts of answers not found, empty or truncated by max_tokens, and of prompts that dropped exemplars."""
    generated = [record.response for record in records if isinstance(record.response, GenerateResponse)]
    return Failures(
        extraction_failures=sum(record.extracted is None for record in records),
        empty=sum(not text.strip() for response in generated for text in response.texts),
        truncated=sum(finish == "length" for response in generated for finish in response.finish),
        dropped_shots=sum(record.dropped_shots > 0 for record in records),
    )
