"""One row of the card for one run: what was measured, and what may be said of it beside the published number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import fsum, hypot
from statistics import NormalDist
from typing import Any

from gemma_eval.card import CardRow, Published
from gemma_eval.stats.intervals import CONFIDENCE


class Verdict(Enum):
    """What may be said of a measured score beside the published one."""

    consistent = "consistent"  # the published value, as rounded, lies in the 95 % interval
    differs = "differs"  # it does not
    sample_only = "sample only"  # the bundled items, not the benchmark: no statement about the model
    not_stated = "protocol not stated"  # too much is left open for a comparison to mean anything
    other_settings = "other settings"  # shots, prompt or metric were changed for this run, or subsets are missing
    not_published = "not published"  # no number for this size
    not_run = "not run"


@dataclass(frozen=True)
class Cell:
    """What one run has to say to one row of the card. Values are in the card's unit; `published` is the number for the run's size."""

    benchmark: str
    published: Published | None
    verdict: Verdict
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    size: int = 0
    shots: int | None = None
    remarks: str = ""
    note: str = ""

    @property
    def difference(self) -> float | None:
        return None if self.value is None or self.published is None else self.value - self.published.value


def measured_cell(row: CardRow, number: Published | None, tasks: dict[str, Any]) -> Cell:
    """The cell of a row, from the tasks of a run's scores."""
    entry = _entry(row, tasks)
    if entry is None:
        return Cell(row.benchmark, number, Verdict.not_run, remarks=row.unmeasured)
    metric = entry["metrics"][entry["primary"]]
    low, high = metric["ci95"] or (None, None)
    return Cell(
        benchmark=row.benchmark,
        published=number,
        verdict=verdict(row, number, entry),
        value=None if metric["value"] is None else metric["value"] * row.scale,
        low=None if low is None else low * row.scale,
        high=None if high is None else high * row.scale,
        n=entry["n"],
        size=entry["size"],
        shots=entry["num_fewshot"],
        remarks=_remarks(entry),
        note=entry["undisclosed"],
    )


def _entry(row: CardRow, tasks: dict[str, Any]) -> dict[str, Any] | None:
    """What was measured for a row: a task's scores, or those of all its parts as one. None if any is not there."""
    if any(name not in tasks for name in row.tasks):
        return None
    if row.group:
        return _group_entry(tasks[row.task], row.group)
    return mean_of_parts([[tasks[name] for name in group] for group in row.parts]) if row.parts else tasks[row.task]


def _group_entry(entry: dict[str, Any], group: str) -> dict[str, Any] | None:
    """The entry of one group of a task's subsets, or None if none of it was measured."""
    if group not in entry.get("groups", {}):
        return None
    missing = [subset.removeprefix(f"{group}/") for subset in entry["missing"] if subset.startswith(f"{group}/")]
    return {**entry, **entry["groups"][group], "missing": missing}


def mean_of_parts(groups: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """The entry of a row that is the plain mean of its parts' primary scores.

    Groups are independent, so their errors add in squares. Within a group the same items are asked, and how far their
    errors go together cannot be told from scores alone: they are added up, which is the most they can be.
    """
    parts = [part for group in groups for part in group]
    metrics = [part["metrics"][part["primary"]] for part in parts]
    errors = [[part["metrics"][part["primary"]]["stderr"] for part in group] for group in groups]
    value = fsum(metric["value"] for metric in metrics) / len(parts)
    interval = None
    if all(error is not None for group in errors for error in group):
        reach = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * hypot(*(fsum(group) for group in errors)) / len(parts)
        interval = [value - reach, value + reach]
    counts = ["n", "size", "asked", "extraction_failures", "empty", "truncated", "dropped_shots"]
    return {
        "primary": "mean",
        "metrics": {"mean": {"value": value, "ci95": interval}},
        **{name: sum(part[name] for part in parts) for name in counts},
        "source": "samples" if any(part["source"] == "samples" for part in parts) else parts[0]["source"],
        "num_fewshot": parts[0]["num_fewshot"],
        "changed": {name: change for part in parts for name, change in part["changed"].items()},
        "missing": {subset: why for part in parts for subset, why in part.get("missing", {}).items()},
        "warnings": list(dict.fromkeys(warning for part in parts for warning in part.get("warnings", []))),
        "comparable": all(part["comparable"] for part in parts),
        "undisclosed": f"The mean of {len(parts)} parts, whose notes stand in their own table.",
    }


def verdict(row: CardRow, number: Published | None, entry: dict[str, Any]) -> Verdict:
    """The rounding of the published number counts as part of it; nothing else is forgiven."""
    metric = entry["metrics"][entry["primary"]]
    if entry["source"] == "samples":
        return Verdict.sample_only
    if number is None:
        return Verdict.not_published
    if entry["changed"]:
        return Verdict.other_settings
    if not entry["comparable"] or metric["ci95"] is None:
        return Verdict.not_stated
    if entry.get("missing"):
        return Verdict.other_settings
    low, high = (bound * row.scale for bound in metric["ci95"])
    inside = low - number.half_unit <= number.value <= high + number.half_unit
    return Verdict.consistent if inside else Verdict.differs


def _remarks(entry: dict[str, Any]) -> str:
    """What did not go well, as a share of the items, and what is not the page's protocol: "unparsed 3.0%, max_tokens=96"."""
    names = {"extraction_failures": "unparsed", "empty": "empty", "truncated": "cut", "dropped_shots": "fewer shots"}
    shares = [f"{name} {entry[key] / entry['n']:.1%}" for key, name in names.items() if entry[key]]
    missing = entry["asked"] - entry["n"]
    without = [f"without {', '.join(entry['missing'])}"] if entry.get("missing") else []
    changed = [name if isinstance(value, dict) else f"{name}={value}" for name, value in entry["changed"].items()]
    return ", ".join([*shares, *([f"{missing} not answered"] if missing else []), *without, *entry.get("warnings", []), *changed])
