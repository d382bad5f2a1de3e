"""The processes of one run, as `torchrun` and `accelerate launch` start them: which one this is, and how they exchange values.

Without a launcher there is one process. Then this module loads neither accelerate nor torch.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from gemma_eval.errors import RunError

if TYPE_CHECKING:
    import torch


T = TypeVar("T")

TIMEOUT = timedelta(days=14)  # for the slowest process to finish its share; a process that dies is noticed at once


@dataclass(frozen=True)
class Processes:
    """This process among the `count` processes of its run. `neighbours` counts those on this machine, itself included.

    Rank 0 is the main process. It alone writes and prints what exists once for the whole run.
    """

    rank: int = 0
    count: int = 1
    neighbours: int = 1

    @property
    def main(self) -> bool:
        """Whether this is the main process."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether the run has more than one process."""
        return self.count > 1

    @property
    def prefix(self) -> str:
        """What this process puts before its messages: nothing for the main process, else its rank."""
        return "" if self.main else f"process {self.rank}: "

    @property
    def cores(self) -> int:
        """CPU cores for this process: its share of the cores of this machine."""
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, usable // self.neighbours)

    @property
    def device(self) -> torch.device:
        """This process's own GPU, or the CPU. Only if there are several processes."""
        import torch

        device: torch.device = _state().device
        return device if device.type == "cuda" else torch.device("cpu")

    def exchange(self, value: T) -> list[T]:
        """The values of all processes, by rank. Waits until each has called this. Raises `RunError` if one of them has ended."""
        if not self.several:
            return [value]
        import torch

        found: list[Any] = [None] * self.count
        try:
            _state()
            torch.distributed.all_gather_object(found, value)
        except RuntimeError as error:
            raise RunError(
                "another process of this run has ended early; its own message, if there is one, says why. No answer is lost: "
                "the same command goes on, with any number of processes"
            ) from error
        return found

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """A block that the main process runs first, and the others after it, without warnings. Downloads and conversions are then done."""
        if self.main:
            yield
            self.exchange(None)
            return
        self.exchange(None)
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def this() -> Processes:
    """This process, as the launcher's environment variables describe it."""
    if "LOCAL_RANK" not in os.environ:
        return Processes()
    count = int(os.environ.get("WORLD_SIZE", 1))
    return Processes(int(os.environ.get("RANK", 0)), count, int(os.environ.get("LOCAL_WORLD_SIZE", count)))


@cache
def _state() -> Any:
    """The connection to the other processes. They exchange little, so it goes through the CPU."""
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available(), backend="gloo", timeout=TIMEOUT)
