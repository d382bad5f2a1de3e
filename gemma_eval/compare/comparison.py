"""A run against a first one: what changed, task by task and pooled, and whether chance explains it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gemma_eval.compare.choice_shift import ChoiceShift, choice_shift
from gemma_eval.compare.comparability import Agreement, Change, agreement, engine_changes
from gemma_eval.compare.load import RunSource, load
from gemma_eval.compare.results import Results, TaskResults
from gemma_eval.errors import MetricError, RunError
from gemma_eval.scoring.summary import averaged_subsets, item_values
from gemma_eval.stats.difference import Bootstrapped, Difference, bootstrap, difference, holm, mcnemar, pooled
from gemma_eval.stats.intervals import estimate
from gemma_eval.store.usage import Spent
from gemma_eval.task.base import Task
from gemma_eval.types import Record


@dataclass(frozen=True)
class TaskComparison:
    """One task in B against A, on the items that both answered. Values are shares of the metric's scale.

    `gained`: items wrong in A and right in B, and `lost` the other way, for scores of 0 or 1 alone; `mcnemar` tests them as if items were
    independent. `p_value` respects clusters; `holm` is adjusted for all tasks of the comparison. `size`: items of the full split.
    """

    task: Task
    metric: str
    a: float
    b: float
    difference: Difference
    interval: tuple[float, float]
    p_value: float
    agreement: Agreement
    holm: float = math.nan
    gained: int | None = None
    lost: int | None = None
    mcnemar: float | None = None
    shift: ChoiceShift | None = None
    spent_a: Spent = Spent()
    spent_b: Spent = Spent()
    size: int = 0

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name

    @property
    def scale(self) -> float:
        """What a perfect answer scores: 1, or 100 for chrF."""
        return self.task.scale


@dataclass(frozen=True)
class Comparison:
    """Run B against run A. `pooled`: the mean of the tasks' differences, if there are several. `incomparable`: why, by task."""

    a: Results
    b: Results
    engine: dict[str, Change]
    tasks: list[TaskComparison]
    pooled: Difference | None
    only_a: list[str]
    only_b: list[str]
    incomparable: dict[str, str]

    @property
    def same_run(self) -> bool:
        """Whether a run is compared with itself."""
        return self.a.origin == self.b.origin

    @property
    def same_question(self) -> bool:
        """Whether both runs have the same tasks, each with the same prompts, data and protocol."""
        alike = all(task.agreement.same_question for task in self.tasks)
        return alike and not (self.only_a or self.only_b or self.incomparable)


def compare(a: RunSource, b: RunSource) -> Comparison:
    """Compare B with A. Raises `RunError` if they have no item in common."""
    ours, theirs = load(a), load(b)
    tasks: list[TaskComparison] = []
    incomparable: dict[str, str] = {}
    for name in ours.tasks:
        if name in theirs.tasks:
            try:
                tasks.append(_compare_task(name, ours.tasks[name], theirs.tasks[name]))
            except (RunError, MetricError) as error:
                incomparable[name] = str(error)
    only_a, only_b = ([name for name in one.tasks if name not in other.tasks] for one, other in ((ours, theirs), (theirs, ours)))
    if not tasks:
        reasons = list(incomparable.values()) or [f"{ours.name} has {', '.join(only_a)}; {theirs.name} has {', '.join(only_b)}"]
        raise RunError(f"{ours.name} and {theirs.name} cannot be compared: no item is in both. " + "; ".join(reasons))
    adjusted = holm({task.name: task.p_value for task in tasks})
    tasks = [replace(task, holm=adjusted[task.name]) for task in tasks]
    return Comparison(ours, theirs, engine_changes(ours, theirs), tasks, _pooled(tasks), only_a, only_b, incomparable)


def _pooled(tasks: Sequence[TaskComparison]) -> Difference | None:
    return pooled({task.name: task.difference for task in tasks}) if len(tasks) > 1 else None


def _compare_task(name: str, a: TaskResults, b: TaskResults) -> TaskComparison:
    agreed, task = agreement(a, b), a.task
    metric = task.metrics[0]
    ours, theirs = (list(records) for records in zip(*agreed.joined.pairs, strict=True)) if agreed.joined.pairs else ([], [])
    if not ours:
        raise RunError(f"{name}: no item was asked in the same words in both" + "".join(f"; {remark}" for remark in agreed.remarks))
    subsets = averaged_subsets(task, ours)
    clusters = [f"{a.data.repo or name}/{record.cluster}" for record in ours]  # the same in all tasks of one data set
    values = [[value / task.scale for value in item_values(task, records, metric, subsets)] for records in (ours, theirs)]
    means = [estimate(side, clusters, subsets).value for side in values]
    found = difference(values[1], values[0], clusters, subsets)
    resampled = _bootstrapped(task, metric, ours, theirs, clusters, subsets)
    flips = _flips(values[0], values[1]) if found.flips else (None, None)
    return TaskComparison(
        task=task,
        metric=metric,
        a=means[0],
        b=means[1],
        difference=found,
        interval=(resampled.low, resampled.high) if resampled else found.interval(),
        p_value=resampled.p_value if resampled else found.p_value(),
        agreement=agreed,
        gained=flips[0],
        lost=flips[1],
        mcnemar=None if flips[0] is None or flips[1] is None else mcnemar(flips[0], flips[1]),
        shift=choice_shift(task, ours, theirs, clusters, subsets),
        spent_a=a.spent,
        spent_b=b.spent,
        size=a.size,
    )


def _flips(a: Sequence[float], b: Sequence[float]) -> tuple[int, int]:
    return sum(y > x for x, y in zip(a, b, strict=True)), sum(x > y for x, y in zip(a, b, strict=True))


def _bootstrapped(
    task: Task, metric: str, a: Sequence[Record], b: Sequence[Record], clusters: Sequence[str], subsets: Sequence[str] | None
) -> Bootstrapped | None:
    score = task.corpus_metrics().get(metric)
    if score is None:
        return None
    ours, theirs = (np.array([record.scores[metric] for record in records], dtype=np.int64) for records in (b, a))
    try:
        found = bootstrap(ours, theirs, score, clusters, subsets)
    except ValueError as error:
        raise MetricError(f"{task.name}: {metric} is not a finite number") from error
    return Bootstrapped(found.low / task.scale, found.high / task.scale, found.p_value)
