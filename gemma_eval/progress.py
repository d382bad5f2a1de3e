"""Progress of a long run: one live view in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gemma_eval.types import Usage

QUIET_SECONDS = 60.0  # between lines when nobody watches


class Reporter(Protocol):
    def advance(self, task: str, usage: Usage) -> None:
        """One more sample of `task` is answered."""
        ...


@contextmanager
def reporter(todo: dict[str, int], done: dict[str, int]) -> Iterator[Reporter]:
    """A reporter for these numbers of samples to do, and done before, by task."""
    if sys.stderr.isatty():
        with _live() as progress:
            yield _Live(progress, todo, done)
    else:
        yield _Lines(sum(todo.values()))


def _live() -> Progress:
    return Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>24}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


class _Live:
    def __init__(self, progress: Progress, todo: dict[str, int], done: dict[str, int]) -> None:
        self._progress = progress
        self._meter = _Meter()
        self._bars: dict[str, TaskID] = {
            task: progress.add_task(task, total=count + done.get(task, 0), completed=done.get(task, 0), rate="")
            for task, count in todo.items()
        }
        self._all = progress.add_task("all", total=sum(todo.values()), rate="")

    def advance(self, task: str, usage: Usage) -> None:
        self._progress.advance(self._bars[task])
        self._progress.update(self._all, advance=1, rate=self._meter.add(usage))


class _Lines:
    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._meter = _Meter()
        self._printed = time.monotonic()

    def advance(self, task: str, usage: Usage) -> None:
        self._done += 1
        rate = self._meter.add(usage)
        now = time.monotonic()
        if now - self._printed >= QUIET_SECONDS:
            self._printed = now
            left = (self._total - self._done) * self._meter.elapsed / self._done
            print(
                f"{task}: {self._done}/{self._total} samples, {rate}, about {left / 60:.0f} min left",
                file=sys.stderr,
                flush=True,
            )


class _Meter:
    """Tokens computed or generated per second since the first answer was waited for, and the share that needed no computing."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._spent = Usage()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._start

    def add(self, usage: Usage) -> str:
        self._spent += usage
        return f"{self._spent.computed / max(self.elapsed, 1e-9):,.0f} tok/s, {self._spent.reused:.0%} reused"
