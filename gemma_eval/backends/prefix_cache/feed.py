"""Jobs go to an engine in their order, a window of asks at a time; answers leave as they complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from gemma_eval.backends.base import Answer
from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest, Job


class CachingEngine(Protocol):
    """What feeding needs of an engine."""

    max_in_flight: int  # asks worth having in flight

    @property
    def in_flight(self) -> int: ...
    def submit(self, request: EngineRequest) -> str: ...
    def step(self) -> Iterator[tuple[str, EngineRequest, EngineReply]]: ...
    def abort(self) -> None: ...


def feed(engine: CachingEngine, jobs: Iterator[Job]) -> Iterator[Answer]:
    """Answers of `jobs`. The window keeps the engine busy, and so small that what one prompt left in the cache is there for the next."""
    owners: dict[str, Job] = {}
    try:
        while True:
            while engine.in_flight < engine.max_in_flight and (job := next(jobs, None)) is not None:
                owners.update((engine.submit(request), job) for request in job.requests())
            if not owners:
                return
            for tag, request, reply in engine.step():
                job = owners.pop(tag)
                owners.update((engine.submit(further), job) for further in job.take(request, reply))
                if answer := job.answer():
                    yield answer
    finally:
        engine.abort()
