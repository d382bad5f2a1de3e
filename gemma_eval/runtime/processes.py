"""One run by several processes, as `torchrun` and `accelerate launch` start them: which of them this is, and where they meet.

Launched plainly there is one process, which meets nobody; then neither accelerate nor torch is loaded for it.
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

PATIENCE = timedelta(days=14)  # of one whose share is done, with the others; if one of them dies, that is noticed at once


@dataclass(frozen=True)
class Processes:
    """This process among those of its run. The main one, of rank 0, writes and prints what there is once."""

    rank: int = 0
    count: int = 1
    neighbours: int = 1  # on this machine, this one among them

    @property
    def main(self) -> bool:
        return self.rank == 0

    @property
    def several(self) -> bool:
        return self.count > 1

    @property
    def prefix(self) -> str:
        """Before whatever this process says."""
        return "" if self.main else f"process {self.rank}: "

    @property
    def cores(self) -> int:
        """CPU cores for each process of this machine."""
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, usable // self.neighbours)

    @property
    def device(self) -> torch.device:
        """The GPU that is this process's own, or the CPU. Only for several."""
        import torch

        device: torch.device = _state().device
        return device if device.type == "cuda" else torch.device("cpu")

    def exchange(self, value: T) -> list[T]:
        """What each process has brought, by rank, once all are here. Raises `RunError` if one of them has ended instead."""
        if not self.several:
            return [value]
        import torch

        found: list[Any] = [None] * self.count
        try:
            _state()
            torch.distributed.all_gather_object(found, value)
        except RuntimeError as error:
            raise RunError(
                "another process of this run has ended early, and said why if it could. No answer is lost: "
                "the same command goes on, with any number of processes"
            ) from error
        return found

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The others do the same only after the main process, which has downloaded, converted and warned by then."""
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
    """This process, by the launcher's environment."""
    if "LOCAL_RANK" not in os.environ:
        return Processes()
    count = int(os.environ.get("WORLD_SIZE", 1))
    return Processes(int(os.environ.get("RANK", 0)), count, int(os.environ.get("LOCAL_WORLD_SIZE", count)))


@cache
def _state() -> Any:
    """accelerate's state of several processes. They exchange little, by the CPU."""
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available(), backend="gloo", timeout=PATIENCE)
