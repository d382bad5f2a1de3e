"""Shows how far a run is: a live view in a terminal, a line a minute elsewhere. It also keeps progress.json."""

from __future__ import annotations

import math
import sys
import textwrap
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gemma_eval.run.planned import PlannedTokens
from gemma_eval.run.progress import Progress
from gemma_eval.store.merge import Arrivals
from gemma_eval.store.progress import FILE, Snapshot, TaskProgress, score_text, summary
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.base import Task
from gemma_eval.types import Record

TICK_SECONDS = 1.0
SAVE_SECONDS = 5.0
QUIET_SECONDS = 60.0  # between lines when nobody watches

GAP = 2  # blanks between two columns
LONGEST_BAR, SHORTEST_BAR = 24, 8


@contextmanager
def reporter(
    directory: RunDir,
    tasks: Iterable[Task],
    earlier: Iterable[tuple[Task, Record]],
    planned: Mapping[str, PlannedTokens] | None = None,
    processes: int = 1,
) -> Iterator[Progress]:
    """Show the progress of a run, and keep it in progress.json. All arguments but the first are those of `Progress`."""
    progress = Progress(tasks, earlier, planned, processes)
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
    """A row for each task, as far as the window is high."""

    def __init__(self) -> None:
        self._live = Live(console=Console(stderr=True), auto_refresh=False)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        console = self._live.console
        self._live.update(render(snapshot, console.width, console.height), refresh=True)


class _Lines:
    """A line now and then, for logs."""

    def __init__(self) -> None:
        self._printed = time.monotonic()

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...

    def show(self, snapshot: Snapshot) -> None:
        if time.monotonic() - self._printed >= QUIET_SECONDS:
            self._printed = time.monotonic()
            going_on = {name: task for name, task in snapshot.tasks.items() if _rank(task) == 0}
            print("; ".join([summary(snapshot), *map(_task_line, going_on.items())]), file=sys.stderr, flush=True)


def _task_line(item: tuple[str, TaskProgress]) -> str:
    name, task = item
    return f"{name} {_count(task)} {score_text(task)}".rstrip()


def _count(task: TaskProgress) -> str:
    return f"{task.done:,}/{task.total:,}"


def _rank(task: TaskProgress) -> int:
    """0 for a task that is going on, 1 for one that has not begun, 2 for one that is done."""
    return 0 if 0 < task.done < task.total else 1 if task.done == 0 else 2


# -- the live view ----------------------------------------------------------------------------------------------


def render(snapshot: Snapshot, width: int, height: int) -> Group:
    """The live view for a window of `width` columns and `height` lines.

    If the window is too low for all tasks, it shows those that are going on first, and then those that have not begun.
    """
    lines = textwrap.wrap(summary(snapshot), width)
    rows_shown = height - len(lines) - 3  # less a blank line, the line that counts hidden tasks, and the cursor's line
    shown = sorted(snapshot.tasks, key=lambda name: _rank(snapshot.tasks[name]))[: max(rows_shown, 1)]
    hidden = len(snapshot.tasks) - len(shown)
    more = [Text(f"and {hidden:,} more tasks", style="dim")] if hidden else []
    rows = {name: task for name, task in snapshot.tasks.items() if name in shown}
    return Group(_table(rows, width), *more, Text(""), Text("\n".join(lines), style="bold"))


@dataclass(frozen=True)
class _Columns:
    """The columns beside names and counts. `bar`: the width of the bar; 0 for no bar."""

    bar: int
    score: bool
    interval: bool

    def text(self, task: TaskProgress) -> str:
        return score_text(task, interval=self.interval) if self.score else ""


def _table(tasks: Mapping[str, TaskProgress], width: int) -> Table:
    columns = _columns(tasks, width)
    table = Table.grid(padding=(0, GAP, 0, 0))
    table.add_column(overflow="fold")  # a name that is too wide for the window goes on in the next line
    if columns.bar:
        table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    if columns.score:
        table.add_column(no_wrap=True)
    for name, task in tasks.items():
        bar = [ProgressBar(task.total, task.done, columns.bar, complete_style="cyan", finished_style="green")] if columns.bar else []
        table.add_row(name, *bar, _count(task), *([columns.text(task)] if columns.score else []))
    return table


def _columns(tasks: Mapping[str, TaskProgress], width: int) -> _Columns:
    """The columns that fit the window. Where it is narrow, the bar gets shorter and then goes, then the intervals go, then the scores."""
    fixed = max(map(cell_len, tasks), default=0) + GAP + max((cell_len(_count(task)) for task in tasks.values()), default=0)
    for columns in (_Columns(LONGEST_BAR, True, True), _Columns(0, True, False), _Columns(0, False, False)):
        score = max((cell_len(columns.text(task)) for task in tasks.values()), default=0)
        free = width - fixed - (score + GAP if score else 0)
        if free >= 0:
            bar = min(free - GAP, columns.bar)
            return _Columns(bar if bar >= SHORTEST_BAR else 0, score > 0, columns.interval)
    return _Columns(0, False, False)
