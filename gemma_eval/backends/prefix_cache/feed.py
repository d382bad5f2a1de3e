"""Jobs go to an engine in their order, a window of asks at a time; answers leave as they complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from gemma_eval.backends.base import Answer
from gemma_eval.backends.prefix_cache.messages import Ask, Job, Reply


class AskedEngine(Protocol):
    """What feeding needs of an engine."""

    room: int  # asks worth having in flight

    @property
    def in_flight(self) -> int: ...
    def submit(self, ask: Ask) -> str: ...
    def step(self) -> Iterator[tuple[str, Ask, Reply]]: ...
    def abort(self) -> None: ...


def feed(engine: AskedEngine, jobs: Iterator[Job]) -> Iterator[Answer]:
    """Answers of `jobs`. The window keeps the engine busy, and so small that what one prompt left in the cache is there for the next."""
    owners: dict[str, Job] = {}
    try:
        while True:
            while engine.in_flight < engine.room and (job := next(jobs, None)) is not None:
                owners.update((engine.submit(ask), job) for ask in job.asks())
            if not owners:
                return
            for tag, ask, reply in engine.step():
                job = owners.pop(tag)
                owners.update((engine.submit(further), job) for further in job.take(ask, reply))
                if answer := job.answer():
                    yield answer
    finally:
        engine.abort()
