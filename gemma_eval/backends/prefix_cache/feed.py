"""Jobs go to an engine in their order, so many requests at a time, and answers leave as they complete."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from gemma_eval.backends.base import UNWATCHED, Answer, Watcher
from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest, Job, NoAnswerError
from gemma_eval.errors import UnansweredError

SECONDS = 0.25  # between two looks at the tokens of texts that are being generated

_tags = map(str, itertools.count(1))  # no two requests of this process share one


class CachingEngine(Protocol):
    """An engine that answers many requests at once. It knows them by tags; what they are about is kept by `feed`."""

    max_in_flight: int  # requests that keep the engine busy

    def submit(self, tag: str, request: EngineRequest) -> None:
        """Queue a request. Raises `NoAnswerError` if the engine does not take it."""
        ...

    def step(self) -> Iterator[tuple[str, Any]]:
        """Work until something finishes. The tags of what did, each with the engine's output for it."""
        ...

    def reply(self, request: EngineRequest, output: Any) -> EngineReply:
        """The engine's output for a request, as a reply. Raises `NoAnswerError` if the output is none."""
        ...

    def generated(self) -> int:
        """Tokens generated so far for requests that have not finished; 0 from an engine that does not say."""
        ...

    def abort(self, tags: Collection[str]) -> None:
        """Drop the requests of these tags."""
        ...


def feed(engine: CachingEngine, jobs: Iterator[Job], watcher: Watcher = UNWATCHED) -> Iterator[Answer]:
    """Answers of `jobs`, in any order. `watcher` hears of generated tokens. Raises `UnansweredError` in the end for jobs without an answer.

    At most `max_in_flight` requests are in flight. More would not make the engine faster, and what one prompt left in its cache might be
    gone when the next one needs it.
    """
    in_flight: dict[str, tuple[Job, EngineRequest]] = {}
    unanswered: dict[int, str] = {}
    tokens = _TokenCount(engine, watcher)

    def submit(job: Job, requests: Iterable[EngineRequest]) -> None:
        for request in requests:
            tag = next(_tags)
            engine.submit(tag, request)
            in_flight[tag] = job, request

    def take(job: Job, request: EngineRequest, output: Any) -> Answer | None:
        reply = engine.reply(request, output)
        tokens.finished += reply.generated
        submit(job, job.take(request, reply))
        return job.answer()

    try:
        while True:
            while len(in_flight) < engine.max_in_flight and (job := next(jobs, None)) is not None:
                with _noted(job, unanswered):
                    submit(job, job.requests())
            if not in_flight:
                tokens.tell()
                break
            for tag, output in engine.step():
                job, request = in_flight.pop(tag)
                answer = None
                if job.index not in unanswered:
                    with _noted(job, unanswered):
                        answer = take(job, request, output)
                if answer:
                    yield answer
            tokens.tell_now_and_then()
    finally:
        engine.abort(in_flight)
    if unanswered:
        raise UnansweredError(unanswered)


@contextmanager
def _noted(job: Job, unanswered: dict[int, str]) -> Iterator[None]:
    """Note that the job has no answer, if that turns out here."""
    try:
        yield
    except NoAnswerError as error:
        unanswered[job.index] = str(error)


def one_after_the_other(parts: Iterable[Iterator[Answer]]) -> Iterator[Answer]:
    """The answers of each part. Raises `UnansweredError` in the end for what has no answer in any of them."""
    reasons: dict[int, str] = {}
    for part in parts:
        try:
            yield from part
        except UnansweredError as error:
            reasons |= error.reasons
    if reasons:
        raise UnansweredError(reasons)


class _TokenCount:
    """Tells a watcher how many tokens were generated since it last heard.

    An engine's step outputs would have to carry every request's tokens to be counted. A look at its counters a few times a second costs
    nothing, and the sum comes out the same, since what has finished is counted by its reply.
    """

    def __init__(self, engine: CachingEngine, watcher: Watcher) -> None:
        self.finished = 0
        self._engine = engine
        self._watcher = watcher
        self._told = 0
        self._next = time.monotonic() + SECONDS

    def tell(self) -> None:
        """Tell now."""
        count = self.finished + self._engine.generated()
        if count > self._told:
            self._watcher.generated(count - self._told)
            self._told = count

    def tell_now_and_then(self) -> None:
        """Tell if `SECONDS` have passed."""
        if time.monotonic() >= self._next:
            self.tell()
            self._next = time.monotonic() + SECONDS
