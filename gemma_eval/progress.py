"""Progress of a long run: one live view in a terminal, a line now and then elsewhere, and progress.json for whoever looks from outside.

Scores so far come from the answers as they are scored, at no further cost. They are of the items done by now, which are asked in the order
that is cheapest and not at random; scores that need all answers together (corpus metrics, items read in pairs) are left out.
"""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gemma_eval import stats
from gemma_eval.errors import RunError
from gemma_eval.store import RunDir
from gemma_eval.task import Average, Task
from gemma_eval.types import Record, Usage

FILE = "progress.json"
TICK_SECONDS = 1.0
SAVE_SECONDS = 5.0
QUIET_SECONDS = 60.0  # between lines when nobody watches
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
    tokens_per_second: float  # computed or generated
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


@dataclass
class _Tally:
    """One task's samples and scores so far."""

    task: Task
    total: int
    done: int = 0
    values: list[float] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    subsets: list[str] = field(default_factory=list)
    shown: tuple[int, stats.Estimate] | None = None  # the last estimate, and of how many items

    def add(self, record: Record) -> None:
        self.done += 1
        score = record.scores.get(self.task.metrics[0])
        if isinstance(score, float | int) and type(self.task).joint is Task.joint:
            self.values.append(score)
            self.clusters.append(record.cluster)
            self.subsets.append(record.subset)

    def progress(self) -> TaskProgress:
        found = self._estimate()
        numbers = [None if math.isnan(number) else number for number in (found.value, found.low, found.high)]
        return TaskProgress(self.total, self.done, self.task.metrics[0], self.task.scale, *numbers)

    def _estimate(self) -> stats.Estimate:
        if self.shown is None or self.shown[0] != len(self.values):
            macro = self.task.average is Average.macro and len(set(self.subsets)) > 1
            found = stats.estimate(self.values, self.clusters, self.subsets if macro else None, self.task.scale)
            self.shown = len(self.values), found
        return self.shown[1]


class Progress:
    """Counts what is done. Told by the run's thread, asked by another."""

    def __init__(self, tasks: Iterable[Task], earlier: Iterable[tuple[Task, Record]]) -> None:
        by_name: dict[str, Task] = {}
        totals = Counter(by_name.setdefault(task.name, task).name for task in tasks)
        self._tallies = {name: _Tally(task, totals[name]) for name, task in by_name.items()}
        self._lock = threading.Lock()
        self._started, self._clock = datetime.now(UTC), time.monotonic()
        self._spent = Usage()
        for task, record in earlier:
            self._tallies[task.name].add(record)
        self._before = self._done

    @property
    def _done(self) -> int:
        return sum(tally.done for tally in self._tallies.values())

    def advance(self, task: Task, record: Record, usage: Usage) -> None:
        """One more sample of `task` is answered, and scored if it could be."""
        with self._lock:
            self._tallies[task.name].add(record)
            self._spent += usage

    def snapshot(self) -> Snapshot:
        with self._lock:
            done, total = self._done, sum(tally.total for tally in self._tallies.values())
            elapsed, now = time.monotonic() - self._clock, done - self._before
            return Snapshot(
                started=self._started.isoformat(timespec="seconds"),
                updated=datetime.now(UTC).isoformat(timespec="seconds"),
                total=total,
                done=done,
                before=self._before,
                tokens_per_second=self._spent.computed / max(elapsed, 1e-9),
                reused=self._spent.reused,
                seconds_left=(total - done) * elapsed / now if now else None,
                tasks={name: tally.progress() for name, tally in self._tallies.items()},
            )


@contextmanager
def reporter(directory: RunDir, tasks: Iterable[Task], earlier: Iterable[tuple[Task, Record]]) -> Iterator[Progress]:
    """Show and keep the progress of these samples' tasks. `earlier`: the records that are there already."""
    progress = Progress(tasks, earlier)
    over = threading.Event()
    view = _Live() if sys.stderr.isatty() else _Lines()
    ticker = threading.Thread(target=_tick, args=(progress, directory, view, over), name="progress", daemon=True)
    ticker.start()
    try:
        yield progress
    finally:
        over.set()
        ticker.join()
        (directory.path / FILE).unlink(missing_ok=True)


def _tick(progress: Progress, directory: RunDir, view: _Live | _Lines, over: threading.Event) -> None:
    saved = -math.inf
    with view:
        while True:
            last = over.wait(0 if saved < 0 else TICK_SECONDS)
            snapshot = progress.snapshot()
            view.show(snapshot)
            if last:
                return
            if time.monotonic() - saved >= SAVE_SECONDS:
                saved = time.monotonic()
                with suppress(OSError):  # a full disk is for the records to report
                    directory.write_json(FILE, asdict(snapshot))


# -- views ------------------------------------------------------------------------------------------------------


class _Live:
    """A bar for each task that is going on, as far as the window is high."""

    def __init__(self) -> None:
        self._live = Live(console=Console(stderr=True), auto_refresh=False)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        self._live.update(render(snapshot, self._live.console.height - 4), refresh=True)


class _Lines:
    def __init__(self) -> None:
        self._printed = time.monotonic()

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...

    def show(self, snapshot: Snapshot) -> None:
        if time.monotonic() - self._printed >= QUIET_SECONDS:
            self._printed = time.monotonic()
            print("; ".join([summary(snapshot), *map(_task_line, _going_on(snapshot).items())]), file=sys.stderr, flush=True)


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


def _task_line(item: tuple[str, TaskProgress]) -> str:
    name, task = item
    return f"{name} {task.done:,}/{task.total:,} {score_text(task)}".rstrip()


def _going_on(snapshot: Snapshot) -> dict[str, TaskProgress]:
    return {name: task for name, task in snapshot.tasks.items() if 0 < task.done < task.total}


def render(snapshot: Snapshot, rows: int) -> Group:
    """The live view, at most `rows` tasks high: those that are going on first, then those that wait, then those that are done."""
    ranked = sorted(snapshot.tasks, key=lambda name: _rank(snapshot.tasks[name]))[: max(rows, 1)]
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    for justify in ("left", "left", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    for name, task in snapshot.tasks.items():
        if name in ranked:
            bar = ProgressBar(task.total, task.done, width=24, complete_style="cyan", finished_style="green")
            table.add_row(name, bar, f"{task.done:,}/{task.total:,}", score_text(task))
    hidden = len(snapshot.tasks) - len(ranked)
    more = [Text(f"and {hidden} more tasks", style="dim")] if hidden else []
    return Group(table, *more, Text(summary(snapshot), style="bold"))


def _rank(task: TaskProgress) -> int:
    return 0 if 0 < task.done < task.total else 1 if task.done == 0 else 2
