"""Ctrl-C and SIGTERM end a command in order and in one line.

The module imports next to nothing, so that a command can heed signals before it imports what it needs.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Stopped(KeyboardInterrupt):
    """The process was asked to end. `kept` says what is left of its work."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__()
        self.number = number
        self.kept = ""


_arrived: Stopped | None = None


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` at the first Ctrl-C or SIGTERM. A second one ends the process at once.

    A signal that the process was started to ignore stays ignored. Outside the main thread, which alone receives signals, nothing changes.
    """
    global _arrived
    _arrived = None
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
    global _arrived
    for each in NAMES:
        signal.signal(each, signal.SIG_DFL)
    _arrived = Stopped(signal.Signals(number))
    raise _arrived


def arrived() -> Stopped | None:
    """The signal that asked this command to end, if one has: an error that follows is its consequence."""
    return _arrived


def report(stop: KeyboardInterrupt) -> int:
    """Print one line that says what stopped the command and what is kept. Returns the exit code."""
    from gemma_eval.commands.exit_codes import STOPPED
    from gemma_eval.runtime.processes import this

    number = stop.number if isinstance(stop, Stopped) else signal.SIGINT
    kept = f": {stop.kept}" if isinstance(stop, Stopped) and stop.kept and this().main else ""  # the main process says it
    print(f"{this().prefix}stopped by {NAMES[number]}{kept}", file=sys.stderr)
    return STOPPED + number


def end_at_once() -> None:
    """The command has ended: a signal while Python ends its threads and modules just ends the process."""
    if threading.current_thread() is threading.main_thread():
        for number in NAMES:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
