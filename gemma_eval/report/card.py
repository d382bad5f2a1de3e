"""The card rebuilt: measured beside published, a verdict per row, rows not run shown as such."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import fsum, hypot
from statistics import NormalDist
from typing import Any

from gemma_eval.card import CARD_TABLES, CardRow, CardTable, Published, published
from gemma_eval.stats import CONFIDENCE

OWN = "270m"  # the size whose card has a table of its own


class Verdict(Enum):
    """What may be said of a measured score beside the published one."""

    consistent = "consistent"  # the published value, as rounded, lies in the 95 % interval
    differs = "differs"  # it does not
    sample_only = "sample only"  # the bundled items, not the benchmark: no statement about the model
    not_stated = "protocol not stated"  # too much is left open for a comparison to mean anything
    other_settings = "other settings"  # shots, prompt or metric were changed for this run
    not_published = "not published"  # no number for this size
    not_run = "not run"


@dataclass(frozen=True)
class Cell:
    """One row of the card for one run. Values are in the card's unit."""

    benchmark: str
    label: str
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


@dataclass(frozen=True)
class Sheet:
    """A card table filled in from one run."""

    run: str
    model: str
    title: str
    cells: list[Cell]
    missing: list[str] = field(default_factory=list)


def sheets(scores: dict[str, Any]) -> list[Sheet]:
    """The card tables that a run touches, with all their rows: those in which it measured at least one."""
    model = scores["model"]
    filled = [
        Sheet(scores["run"], model_name(model), table.title, list(_cells(table, scores))) for table in _tables(model, set(scores["tasks"]))
    ]
    return [sheet for sheet in filled if any(cell.verdict is not Verdict.not_run for cell in sheet.cells)]


def _tables(model: dict[str, Any], measured: set[str]) -> list[CardTable]:
    """The tables of the model's variant, then those of the other variant with tasks that have no row in them.

    The 270M model has a table of its own; its other rows are shown in the large models' tables, unpublished.
    """
    fitting = [table for table in CARD_TABLES if model["size"] == OWN or table.sizes != [OWN]]
    own = [table for table in fitting if table.variant == model["variant"]]
    left = measured - {task for table in own for task in table.tasks}
    return own + [table for table in fitting if table.variant != model["variant"] and table.tasks & left]


def model_name(model: dict[str, Any]) -> str:
    return f"Gemma 3 {model['size'].upper()} {model['variant']}, {model['weights']}, {model['dtype'] or ''} on {model['backend']}"


def _cells(table: CardTable, scores: dict[str, Any]) -> Iterator[Cell]:
    model = scores["model"]
    numbers = published(model["variant"])
    for row in table.rows:
        number = numbers.get((table.key, row.benchmark, model["size"]))
        entry = _entry(row, scores["tasks"])
        if model["size"] == OWN and table.sizes != [OWN] and _in_own_table(row, table.variant):
            continue
        absent = Cell(row.benchmark, number.label if number else "", number, Verdict.not_run, remarks=row.unmeasured)
        yield _cell(row, number, entry) if entry else absent


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
        "warnings": list(dict.fromkeys(warning for part in parts for warning in part.get("warnings", []))),
        "comparable": all(part["comparable"] for part in parts),
        "undisclosed": f"The mean of {len(parts)} parts, whose notes stand in their own table.",
    }


def _in_own_table(row: CardRow, variant: str) -> bool:
    return any(row.task in table.tasks for table in CARD_TABLES if table.sizes == [OWN] and table.variant == variant)


def _cell(row: CardRow, number: Published | None, entry: dict[str, Any]) -> Cell:
    metric = entry["metrics"][entry["primary"]]
    low, high = metric["ci95"] or (None, None)
    return Cell(
        benchmark=row.benchmark,
        label=number.label if number else "",
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


def rows_as_text(sheet: Sheet) -> tuple[list[str], list[Sequence[str]]]:
    """Header and cells as strings, the same for every form of the report."""
    header = ["Benchmark", "Shots", "Items", "Measured", "95 % interval", "Card", "Diff.", "Verdict", "Remarks"]
    return header, [_row_as_text(cell) for cell in sheet.cells]


def _row_as_text(cell: Cell) -> list[str]:
    return [
        cell.benchmark,
        "" if cell.shots is None else str(cell.shots),
        "" if cell.value is None else (f"{cell.n}" if cell.n == cell.size else f"{cell.n}/{cell.size}"),
        "" if cell.value is None else f"{cell.value:.1f}",
        "" if cell.low is None or cell.high is None else f"{cell.low:.1f}-{cell.high:.1f}",
        cell.published.text if cell.published else "",
        "" if cell.difference is None else f"{round(cell.difference, 1) + 0.0:+.1f}",  # never "-0.0"
        cell.verdict.value,
        cell.remarks,
    ]
