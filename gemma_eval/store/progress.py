"""Progress.json: how far a run is."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from gemma_eval.errors import RunError
from gemma_eval.store.run_dir import RunDir

FILE = "progress.json"
SILENT_SECONDS = 30.0  # a file that is older was left by a run that was killed


@dataclass(frozen=True)
class TaskProgress:
    """Samples of one task, and its primary score so far, in the unit of scores.json."""

    total: int
    done: int
    metric: str
    scale: float
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """How far a run is. `before`: samples that an earlier start of the run had answered."""

    started: str
    updated: str
    total: int
    done: int
    before: int
    tokens_per_second: float  # computed or generated, by the main process of several
    reused: float  # share of the prompt tokens that needed no computing
    seconds_left: float | None
    tasks: dict[str, TaskProgress]


def read_snapshot(directory: RunDir) -> Snapshot | None:
    """Progress of a run that is going on; None if none is."""
    with suppress(OSError, RunError, json.JSONDecodeError):  # it may vanish at any moment
        if found := directory.read_json(FILE):
            age = datetime.now(UTC) - datetime.fromisoformat(found["updated"])
            if abs(age.total_seconds()) < SILENT_SECONDS:
                return Snapshot(**{**found, "tasks": {name: TaskProgress(**task) for name, task in found["tasks"].items()}})
    return None


def summary(snapshot: Snapshot) -> str:
    """`1,200/4,000 samples, 512 tok/s, 93% reused, 12:30 left`."""
    left = [] if snapshot.seconds_left is None else [f"{duration(snapshot.seconds_left)} left"]
    rates = [f"{snapshot.tokens_per_second:,.0f} tok/s", f"{snapshot.reused:.0%} reused"]
    return ", ".join([f"{snapshot.done:,}/{snapshot.total:,} samples", *rates, *left])


def score_text(task: TaskProgress) -> str:
    """`acc_norm 40.1 (34.7-45.7)`, in points of 100; nothing where there is no score so far."""
    if task.value is None:
        return ""
    value, low, high = (None if number is None else 100 * number / task.scale for number in (task.value, task.low, task.high))
    return f"{task.metric} {value:.1f}" + ("" if low is None or high is None else f" ({low:.1f}-{high:.1f})")


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
