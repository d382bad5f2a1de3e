"""progress.json: how far a run is."""

from __future__ import annotations

from collections.abc import Iterator
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


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """How far a run is. Samples are those of all processes; phase, tokens and times are those of the main process.

    `before`: samples that an earlier start of the run had answered. `phase`: the backend's (`backends.base.Phase`), "waiting" while only
    other processes are busy, or "" before the first phase. `tokens`: done in this phase, of `planned`: computed tokens while scoring,
    generated tokens while generating. `tokens_per_second`: the phase's current rate. `reused`: share of the prompt tokens that needed no
    computing. Rates and seconds are None where they are not known. With `at_most`, tokens planned and seconds left are upper limits, since
    the lengths of some texts are not known yet.
    """

    started: str
    updated: str
    total: int
    done: int
    before: int
    phase: str = ""
    tokens: int = 0
    planned: int = 0
    tokens_per_second: float | None = None
    reused: float = 0.0
    seconds_left: float | None = None
    phase_seconds_left: float | None = None
    at_most: bool = False
    processes: int = 1
    tasks: dict[str, TaskProgress]


def read_snapshot(directory: RunDir) -> Snapshot | None:
    """The progress of a run; None if the run is not going on."""
    with suppress(OSError, RunError, KeyError, TypeError, ValueError):  # it may vanish at any moment, or be of another version
        if found := directory.read_json(FILE):
            age = datetime.now(UTC) - datetime.fromisoformat(found["updated"])
            if abs(age.total_seconds()) < SILENT_SECONDS:
                return Snapshot(**{**found, "tasks": {name: TaskProgress(**task) for name, task in found["tasks"].items()}})
    return None


def summary(snapshot: Snapshot) -> str:
    """The snapshot in one line: `1,200/4,000 samples, generating 1,200 of about 3,400 tokens at 51 tokens/s, 12:30 left`."""
    return ", ".join([f"{snapshot.done:,}/{snapshot.total:,} samples", *_phase(snapshot), *_reused(snapshot), *_left(snapshot)])


def _phase(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.phase == "loading":
        yield "loading the model"
    elif snapshot.phase == "checking":
        yield "checking the model"
    elif snapshot.phase == "waiting":
        yield "waiting for the other processes"
    elif snapshot.phase:
        exact = snapshot.phase == "scoring" or snapshot.tokens == snapshot.planned
        about = "" if exact else "at most " if snapshot.at_most else "about "
        rate = "" if snapshot.tokens_per_second is None else f" at {_number(snapshot.tokens_per_second)} tokens/s"
        process = f" in 1 of {snapshot.processes} processes" if snapshot.processes > 1 else ""
        yield f"{snapshot.phase} {snapshot.tokens:,} of {about}{snapshot.planned:,} tokens{rate}{process}"


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _reused(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.reused > 0:
        yield f"{snapshot.reused:.0%} of prompt tokens reused"


def _left(snapshot: Snapshot) -> Iterator[str]:
    at_most = "at most " if snapshot.at_most else ""
    if snapshot.seconds_left is not None and snapshot.done < snapshot.total:
        yield f"{at_most}{duration(snapshot.seconds_left)} left"
    elif snapshot.phase_seconds_left is not None and snapshot.phase == "scoring":
        yield f"{duration(snapshot.phase_seconds_left)} left of scoring"


def score_text(task: TaskProgress, *, interval: bool = True) -> str:
    """`acc_norm 40.1 (34.7-45.7)`, in points of 100, with its 95 % interval or without; "" where there is no score so far."""
    if task.value is None:
        return ""
    value, low, high = (None if number is None else 100 * number / task.scale for number in (task.value, task.low, task.high))
    return f"{task.metric} {value:.1f}" + ("" if low is None or high is None or not interval else f" ({low:.1f}-{high:.1f})")


def duration(seconds: float) -> str:
    """`1:06:40`, or `12:30` where it is less than an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
