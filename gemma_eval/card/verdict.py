"""One cell of the card: what a run measured for a row, and what may be said of it beside the published number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum
from math import fsum, hypot

from gemma_eval.card import CardRow, Published
from gemma_eval.stats.intervals import normal_quantile
from gemma_eval.store.scores import MetricScore, Readers, TaskScores


class Verdict(Enum):
    """What may be said of a measured score beside the published one."""

    consistent = "consistent"  # the published value, as rounded, lies in the 95 % interval
    differs = "differs"  # the published value lies outside of it
    sample_only = "sample only"  # the run asked the bundled items, which are not the benchmark
    not_stated = "protocol not stated"  # Google says too little about the protocol for a comparison to mean anything
    other_settings = "other settings"  # shots, prompt or metric were changed for this run, or subsets are missing
    not_published = "not published"  # Google published no number for this size
    not_run = "not run"


@dataclass(frozen=True)
class Cell:
    """What one run measured for one row of the card.

    `value` and its 95 % interval from `low` to `high` are in the card's unit. `published` is the number for the run's size. `n` of the
    benchmark's `size` items were answered. `dropped` prompts held fewer than `shots` exemplars, to fit. `readers` read the
    answers; None where none were generated. `remarks` say what failed or was changed. `note` says what Google does not disclose.
    """

    benchmark: str
    published: Published | None
    verdict: Verdict
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    size: int = 0
    shots: int | None = None
    dropped: int = 0
    readers: Readers | None = None
    remarks: str = ""
    note: str = ""

    @property
    def difference(self) -> float | None:
        """Measured minus published; None if either is not known."""
        return None if self.value is None or self.published is None else self.value - self.published.value


def measured_cell(row: CardRow, number: Published | None, tasks: Mapping[str, TaskScores]) -> Cell:
    """The cell of a row. `number`: published for the run's size. `tasks`: the run's scores by task."""
    measured = _row_scores(row, tasks)
    if measured is None:
        return Cell(row.benchmark, number, Verdict.not_run, remarks=row.unmeasured)
    score = measured.score
    return Cell(
        benchmark=row.benchmark,
        published=number,
        verdict=verdict(row, number, measured),
        value=_scaled(score.value, row),
        low=_scaled(score.low, row),
        high=_scaled(score.high, row),
        n=measured.n,
        size=measured.size,
        shots=measured.num_fewshot,
        dropped=measured.dropped_shots,
        readers=measured.readers,
        remarks=_remarks(measured),
        note=measured.undisclosed,
    )


def _scaled(value: float | None, row: CardRow) -> float | None:
    return None if value is None else value * row.scale


def _row_scores(row: CardRow, tasks: Mapping[str, TaskScores]) -> TaskScores | None:
    """The scores that a row shows: a task's, a group's, or those of its parts as one. None if any of them was not run."""
    if any(name not in tasks for name in row.tasks):
        return None
    if row.group:
        return group_scores(tasks[row.task], row.group)
    return mean_of_parts([[tasks[name] for name in group] for group in row.parts]) if row.parts else tasks[row.task]


def group_scores(task: TaskScores, group: str) -> TaskScores | None:
    """The scores of one group of a task's subsets, in the form of a task's. None if nothing of the group was measured."""
    found = task.groups.get(group)
    if found is None:
        return None
    missing = {subset.removeprefix(f"{group}/"): why for subset, why in task.missing.items() if subset.startswith(f"{group}/")}
    return replace(task, **{item.name: getattr(found, item.name) for item in fields(found)}, missing=missing)


def mean_of_parts(groups: Sequence[Sequence[TaskScores]]) -> TaskScores:
    """The scores of a row that is the unweighted mean of its parts' primary scores.

    Groups are independent, so their standard errors add in squares. The parts within a group ask about the same items. Their scores do
    not show how strongly their errors correlate, so these standard errors are added up, which is the most that they can come to.
    """
    parts = [part for group in groups for part in group]
    counts = ("n", "size", "asked", "extraction_failures", "empty", "truncated", "dropped_shots")
    return TaskScores(
        primary="mean",
        metrics={"mean": _mean_score([[part.score for part in group] for group in groups])},
        **{name: sum(getattr(part, name) for part in parts) for name in counts},
        readers=_all_readers([part.readers for part in parts]),
        source="samples" if any(part.source == "samples" for part in parts) else parts[0].source,
        num_fewshot=parts[0].num_fewshot,
        changed={name: change for part in parts for name, change in part.changed.items()},
        missing={subset: why for part in parts for subset, why in part.missing.items()},
        warnings=list(dict.fromkeys(warning for part in parts for warning in part.warnings)),
        comparable=all(part.comparable for part in parts),
        undisclosed=f"The mean of {len(parts)} parts. Their notes are in their own table.",
    )


def _all_readers(parts: Sequence[Readers | None]) -> Readers | None:
    """Who read the answers of all parts; None if that is not known of one. What each diagnostic read is said of the parts."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Readers(
        primary=sum(part.primary for part in known),
        diagnostic=sum(part.diagnostic for part in known),
        none=sum(part.none for part in known),
    )


def _mean_score(groups: Sequence[Sequence[MetricScore]]) -> MetricScore:
    scores = [score for group in groups for score in group]
    values = [score.value for score in scores if score.value is not None]
    if len(values) < len(scores):
        return MetricScore(None)
    value = fsum(values) / len(values)
    errors = [[score.stderr for score in group if score.stderr is not None] for group in groups]
    if sum(map(len, errors)) < len(scores):
        return MetricScore(value)
    reach = normal_quantile() * hypot(*map(fsum, errors)) / len(scores)
    return MetricScore(value, ci95=(value - reach, value + reach))


def verdict(row: CardRow, number: Published | None, measured: TaskScores) -> Verdict:
    """What may be said of the measured score. The published number may have been rounded; no other tolerance is given."""
    if measured.source == "samples":
        return Verdict.sample_only
    if number is None:
        return Verdict.not_published
    if measured.changed:
        return Verdict.other_settings
    if not measured.comparable or measured.score.ci95 is None:
        return Verdict.not_stated
    if measured.missing:
        return Verdict.other_settings
    low, high = (bound * row.scale for bound in measured.score.ci95)
    inside = low - number.half_unit <= number.value <= high + number.half_unit
    return Verdict.consistent if inside else Verdict.differs


def _remarks(measured: TaskScores) -> str:
    """What failed, as a share of the items, and which settings are not the task page's own: "unparsed 3.0%, max_tokens=96"."""
    counts = {
        "unparsed": measured.extraction_failures,
        "empty": measured.empty,
        "truncated": measured.truncated,
        "exemplars dropped": measured.dropped_shots,
    }
    shares = [f"{name} {count / measured.n:.1%}" for name, count in counts.items() if count]
    unanswered = measured.asked - measured.n
    without = [f"without {', '.join(measured.missing)}"] if measured.missing else []
    changed = [name if isinstance(value, dict) else f"{name}={value}" for name, value in measured.changed.items()]
    return ", ".join([*shares, *([f"{unanswered} not answered"] if unanswered else []), *without, *measured.warnings, *changed])
