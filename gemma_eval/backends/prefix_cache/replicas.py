"""Data parallelism: several engines are fed from one queue, each by a thread of its own. They compute in processes of their own."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence

from gemma_eval.backends.base import UNWATCHED, Answer, Unwatched, Watcher
from gemma_eval.backends.prefix_cache.feed import CachingEngine, feed
from gemma_eval.backends.prefix_cache.messages import Job
from gemma_eval.errors import UnansweredError

RUNS_PER_ENGINE = 8  # runs of neighbours in the queue: few, since each computes its shared prefix anew, but enough to end together

Event = Answer | int | BaseException | None
"""What a thread tells: an answer, generated tokens, an error, or (None) that it has ended."""


def feed_all(engines: Sequence[CachingEngine], jobs: Sequence[Job], watcher: Watcher = UNWATCHED) -> Iterator[Answer]:
    """Answers of `jobs`, which are in prefix order, as any engine completes them. `watcher` hears of generated tokens.

    Raises what an engine raises, and `UnansweredError` in the end for jobs without an answer.
    """
    size = -(-len(jobs) // (RUNS_PER_ENGINE * len(engines))) or 1
    runs = deque(jobs[start : start + size] for start in range(0, len(jobs), size))
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    threads = [threading.Thread(target=_work, args=(engine, runs, events), daemon=True) for engine in engines]
    for thread in threads:
        thread.start()
    unanswered: dict[int, str] = {}
    try:
        working = len(threads)
        while working:
            event = events.get()
            if event is None:
                working -= 1
            elif isinstance(event, int):
                watcher.generated(event)
            elif isinstance(event, UnansweredError):
                unanswered |= event.reasons
            elif isinstance(event, BaseException):
                raise event
            else:
                yield event
    finally:
        runs.clear()
        for thread in threads:
            thread.join()
    if unanswered:
        raise UnansweredError(unanswered)


class _Relay(Unwatched):
    """The watcher of one thread. What it hears is told where the answers are read, so that no watcher is called by two threads."""

    def __init__(self, events: queue.SimpleQueue[Event]) -> None:
        self._events = events

    def generated(self, tokens: int) -> None:
        self._events.put(tokens)


def _work(engine: CachingEngine, runs: deque[Sequence[Job]], events: queue.SimpleQueue[Event]) -> None:
    try:
        for answer in feed(engine, _pulled(runs), _Relay(events)):
            events.put(answer)
    except BaseException as error:  # raised again where the answers are read
        events.put(error)
    finally:
        events.put(None)


def _pulled(runs: deque[Sequence[Job]]) -> Iterator[Job]:
    """Jobs of one run after another. A run is taken when its first job is needed."""
    while True:
        try:
            run = runs.popleft()
        except IndexError:
            return
        yield from run
