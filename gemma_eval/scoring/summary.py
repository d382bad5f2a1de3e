"""Records become scores.json: values with intervals, failure rates, tokens and seconds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from gemma_eval.stats import intervals as stats
from gemma_eval.task.base import Average, Task
from gemma_eval.types import GenerateResponse, ItemScore, Record, Usage


def summarize(task: Task, records: Sequence[Record], size: int) -> dict[str, Any]:
    """One task's entry in scores.json. `size`: items of the full split, before any limit."""
    answered, records = records, task.records_to_average(records)
    subsets = [record.subset for record in records]
    many = len(set(subsets)) > 1
    averaged = averaged_subsets(task, records)
    macro = averaged is not None
    summary: dict[str, Any] = {
        "primary": task.metrics[0],
        "average": task.average.value if many else None,
        "n": len(answered),
        "size": size,
        "metrics": {metric: _metric(task, records, metric, averaged) for metric in task.metrics},
    }
    if task.signature:
        summary["signature"] = task.signature
    if many:
        other = "micro" if macro else "macro"
        summary[other] = {metric: _metric(task, records, metric, None if macro else subsets) for metric in task.metrics}
        summary["subsets"] = {name: _subset(task, [r for r in records if r.subset == name]) for name in sorted(set(subsets))}
    if groups := sorted({task.group(subset) for subset in subsets} - {""}):
        summary["groups"] = {name: _group(task, [r for r in answered if task.group(r.subset) == name]) for name in groups}
    return summary | _failures(answered)


def _group(task: Task, answered: Sequence[Record]) -> dict[str, Any]:
    records = task.records_to_average(answered)
    subsets = averaged_subsets(task, records)
    metrics = {metric: _metric(task, records, metric, subsets) for metric in task.metrics}
    return {"n": len(answered), "metrics": metrics} | _failures(answered)


def averaged_subsets(task: Task, records: Sequence[Record]) -> list[str] | None:
    """Each record's subset, where the task's score is the mean over several of them."""
    subsets = [record.subset for record in records]
    return subsets if task.average is Average.macro and len(set(subsets)) > 1 else None


def _subset(task: Task, records: Sequence[Record]) -> dict[str, Any]:
    return {"n": len(records), "metrics": {metric: _metric(task, records, metric, None) for metric in task.metrics}}


def _metric(task: Task, records: Sequence[Record], metric: str, subsets: Sequence[str] | None) -> dict[str, Any]:
    values = item_values(task, records, metric, subsets)
    found = stats.estimate(values, [record.cluster for record in records], subsets, task.scale)
    interval = None if math.isnan(found.low) else [found.low, found.high]
    return {
        "value": None if math.isnan(found.value) else found.value,
        "stderr": None if math.isnan(found.stderr) else found.stderr,
        "ci95": interval,
        "clusters": found.clusters,
    }


def item_values(task: Task, records: Sequence[Record], metric: str, subsets: Sequence[str] | None) -> list[float]:
    """Values whose mean, over `subsets` if given, is the metric: item scores, or pseudo-values where each subset is a corpus."""
    score = task.corpus_metrics().get(metric)
    if score is None:
        return [_number(record.scores[metric]) for record in records]
    corpora: dict[str, list[int]] = defaultdict(list)
    for index, subset in enumerate(subsets or [""] * len(records)):
        corpora[subset].append(index)
    values = [0.0] * len(records)
    for members in corpora.values():
        found = stats.pseudo_values([_counts(records[index].scores[metric]) for index in members], score)
        for index, value in zip(members, found, strict=True):
            values[index] = value
    return values


def _number(score: ItemScore) -> float:
    assert not isinstance(score, list), "counts of a corpus metric, which `corpus_metrics` does not name"
    return score


def _counts(score: ItemScore) -> list[int]:
    assert isinstance(score, list), "a number where a corpus metric needs counts"
    return score


def _failures(records: Sequence[Record]) -> dict[str, int]:
    """Counts printed beside the score: answers not found, empty or cut by max_tokens, and prompts that lost exemplars."""
    generated = [record.response for record in records if isinstance(record.response, GenerateResponse)]
    return {
        "extraction_failures": sum(record.extracted is None for record in records),
        "empty": sum(not text.strip() for response in generated for text in response.texts),
        "truncated": sum(finish == "length" for response in generated for finish in response.finish),
        "dropped_shots": sum(record.dropped_shots > 0 for record in records),
    }


def with_usage(summary: dict[str, Any], usage: Usage, seconds: float) -> dict[str, Any]:
    return summary | {"tokens": usage.to_json() | {"reused": round(usage.reused, 4)}, "seconds": round(seconds, 3)}
