"""Data parallelism: engines of their own, each driven by a thread, fed from one queue. (Each engine computes in its own processes.)"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence

from gemma_eval.backends.base import Answer
from gemma_eval.backends.prefix_cache.feed import CachingEngine, feed
from gemma_eval.backends.prefix_cache.messages import Job

RUNS_PER_ENGINE = 8  # the queue's runs of neighbours: few, since each computes its shared prefix anew; enough to end together


def feed_all(engines: Sequence[CachingEngine], jobs: Sequence[Job]) -> Iterator[Answer]:
    """Answers of `jobs`, which are in prefix order, as any engine completes them."""
    size = -(-len(jobs) // (RUNS_PER_ENGINE * len(engines))) or 1
    runs = deque(jobs[start : start + size] for start in range(0, len(jobs), size))
    done: queue.SimpleQueue[Answer | BaseException | None] = queue.SimpleQueue()
    threads = [threading.Thread(target=_work, args=(engine, runs, done), daemon=True) for engine in engines]
    for thread in threads:
        thread.start()
    try:
        working = len(threads)
        while working:
            found = done.get()
            if found is None:
                working -= 1
            elif isinstance(found, BaseException):
                raise found
            else:
                yield found
    finally:
        runs.clear()
        for thread in threads:
            thread.join()


def _work(engine: CachingEngine, runs: deque[Sequence[Job]], done: queue.SimpleQueue[Answer | BaseException | None]) -> None:
    try:
        for answer in feed(engine, _pulled(runs)):
            done.put(answer)
    except BaseException as error:  # raised again where the answers are read
        done.put(error)
    finally:
        done.put(None)


def _pulled(runs: deque[Sequence[Job]]) -> Iterator[Job]:
    """Jobs of one run after another, each run taken when there is room for it."""
    while True:
        try:
            run = runs.popleft()
        except IndexError:
            return
        yield from run
