"""Ctrl-C and SIGTERM end a command in order and in one line. A run that is stopped loses nothing: answers are on disk as they arrive."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from gemma_eval.commands.exit_codes import STOPPED
from gemma_eval.runtime.processes import this

if TYPE_CHECKING:
    from gemma_eval.settings import RunConfig

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Stopped(KeyboardInterrupt):
    """The process was asked to end. `kept` says what is left of its work."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__()
        self.number = number
        self.kept = ""


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` at the first Ctrl-C or SIGTERM. A second one ends the process at once.

    A signal that the process was started to ignore stays ignored. Outside the main thread, which alone receives signals, nothing changes.
    """
    earlier = {}
    if threading.current_thread() is threading.main_thread():
        earlier = {number: signal.getsignal(number) for number in NAMES if signal.getsignal(number) not in (signal.SIG_IGN, None)}
    for number in earlier:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            if signal.getsignal(number) is _stop:  # none has arrived
                signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    for each in NAMES:
        signal.signal(each, signal.SIG_DFL)
    raise Stopped(signal.Signals(number))


@contextmanager
def naming_kept_answers(config: RunConfig) -> Iterator[None]:
    """If the run of these settings is stopped, say how many answers it keeps and where."""
    try:
        yield
    except Stopped as stop:
        stop.kept = _kept_answers(config)
        raise


def _kept_answers(config: RunConfig) -> str:
    from gemma_eval.run.earlier import run_directory

    if not this().main:
        return ""  # the main process says it
    directory = run_directory(config)
    tasks = directory.manifest.tasks if directory.has_manifest else {}
    count = sum(len(directory.answers(name)) for name in tasks)
    if not count:
        return "no answer was computed yet; the same command starts again"
    answers = "1 answer is" if count == 1 else f"{count:,} answers are"
    return f"{answers} kept in {directory.path}; the same command goes on"


def report(stop: KeyboardInterrupt) -> int:
    """Print one line that says what stopped the command and what is kept. Returns the exit code."""
    number = stop.number if isinstance(stop, Stopped) else signal.SIGINT
    kept = f": {stop.kept}" if isinstance(stop, Stopped) and stop.kept else ""
    print(f"{this().prefix}stopped by {NAMES[number]}{kept}", file=sys.stderr)
    return STOPPED + number
