"""Runs a function in a worker process that can be killed. Computer algebra on a model's text may loop or fill the memory, also in C code.

Worker processes start at the first call, and all threads share them. A call is limited in processor time, so that its result does not
depend on what else the machine does. A call that exceeds the limit or dies gives None, and its worker is replaced.
"""

from __future__ import annotations

import atexit
import importlib
import multiprocessing
import resource
import signal
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from gemma_eval.runtime.processes import this

if TYPE_CHECKING:
    from pebble import ProcessPool


CPU_SECONDS = 1.0
WALL_SECONDS = 60.0  # for a worker that waits instead of computing
MEMORY_BYTES = 2**31
PRELOADED = "gemma_eval.metrics.worker_preload"

T = TypeVar("T")
_starting = Lock()  # `cache` alone would let two threads start a pool each


def run(function: Callable[..., T], *arguments: object) -> T | None:
    """Returns `function(*arguments)`; None if it raises, dies or exceeds a limit. The function must be importable by name."""
    from pebble import ProcessExpired  # here: every command imports the tasks, and few score

    try:
        with _starting:
            pool = _pool()
        return pool.schedule(_limited, args=[function, *arguments], timeout=WALL_SECONDS).result()
    except (ProcessExpired, TimeoutError):
        return None


def _limited(function: Callable[..., T], *arguments: object) -> T | None:
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # SIGPROF ends the process, in the middle of C code if need be
    try:
        return function(*arguments)
    except Exception:  # parsers and algebra raise whatever they like on what models write
        return None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@cache
def _pool() -> ProcessPool:
    from pebble import ProcessPool

    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload([PRELOADED])  # a replaced worker is there at once
    pool = ProcessPool(max_workers=this().cores, initializer=_prepare, context=context)
    atexit.register(_close, pool)
    return pool


def _prepare() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    importlib.import_module(PRELOADED)


def _close(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()
