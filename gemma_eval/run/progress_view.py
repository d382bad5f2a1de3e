"""Shows how far a run is: one live view in a terminal, a line now and then elsewhere; and keeps progress.json."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gemma_eval.run.progress import Progress
from gemma_eval.store.merge import Arrivals
from gemma_eval.store.progress import FILE, Snapshot, TaskProgress, score_text, summary
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.base import Task
from gemma_eval.types import Record

TICK_SECONDS = 1.0
SAVE_SECONDS = 5.0
QUIET_SECONDS = 60.0  # between lines when nobody watches


@contextmanager
def reporter(directory: RunDir, tasks: Iterable[Task], earlier: Iterable[tuple[Task, Record]]) -> Iterator[Progress]:
    """Show and keep the progress of these samples' tasks, whichever process answers them. `earlier`: the records that are there already."""
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
    arrivals = Arrivals(directory)
    with view:
        while True:
            last = over.wait(0 if saved < 0 else TICK_SECONDS)
            for name, record in arrivals.new():
                progress.arrived(name, record)
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
