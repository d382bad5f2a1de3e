"""Records become scores.json: values with intervals, failure rates, tokens and seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gemma_eval import stats
from gemma_eval.task import Average, Task
from gemma_eval.types import GenerateResponse, Record, Usage


def summarize(task: Task, records: Sequence[Record], size: int) -> dict[str, Any]:
    """One task's entry in scores.json. `size`: items of the full split, before any limit."""
    subsets = [record.subset for record in records]
    many = len(set(subsets)) > 1
    macro = many and task.average is Average.macro
    summary: dict[str, Any] = {
        "primary": task.metrics[0],
        "average": task.average.value if many else None,
        "n": len(records),
        "size": size,
        "metrics": {metric: _metric(records, metric, subsets if macro else None) for metric in task.metrics},
    }
    if many:
        other = "micro" if macro else "macro"
        summary[other] = {metric: _metric(records, metric, None if macro else subsets) for metric in task.metrics}
        summary["subsets"] = {name: _subset(task, [r for r in records if r.subset == name]) for name in sorted(set(subsets))}
    return summary | _failures(records)


def _subset(task: Task, records: Sequence[Record]) -> dict[str, Any]:
    return {"n": len(records), "metrics": {metric: _metric(records, metric, None) for metric in task.metrics}}


def _metric(records: Sequence[Record], metric: str, subsets: Sequence[str] | None) -> dict[str, Any]:
    found = stats.estimate([record.scores[metric] for record in records], [record.cluster for record in records], subsets)
    interval = None if math.isnan(found.low) else [found.low, found.high]
    return {
        "value": None if math.isnan(found.value) else found.value,
        "stderr": None if math.isnan(found.stderr) else found.stderr,
        "ci95": interval,
        "clusters": found.clusters,
    }


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
    return summary | {"tokens": usage.to_json(), "seconds": round(seconds, 3)}
