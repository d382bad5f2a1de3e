"""Scores beside the model: quick metrics at once, slow ones in threads, so that the model never waits for them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from gemma_eval.errors import GemmaEvalError
from gemma_eval.runtime.processes import this
from gemma_eval.task.base import Task
from gemma_eval.types import Grade, Record

log = logging.getLogger(__name__)


class Scorer:
    """Hands every record given to `put` back to `done`, with its scores, in any order and on the caller's thread.

    A record whose metric raises comes back as it was, without scores, and `failed` says why: the answer is not lost. All are back when
    the context ends; if it ends by an error, those still waiting are dropped.
    """

    def __init__(self, done: Callable[[Task, Record], None]) -> None:
        self._done = done
        self._pool = ThreadPoolExecutor(this().cores, thread_name_prefix="score")
        self._finished: SimpleQueue[tuple[Task, Record, Grade | Exception]] = SimpleQueue()
        self._waiting = 0
        self._failures: dict[str, list[str]] = defaultdict(list)

    @property
    def failed(self) -> dict[str, str]:
        """By task: how many answers could not be scored, and why the first could not."""
        return {
            name: f"{name}: {len(why)} answers are kept without a score; {why[0]}. Mend the cause and run `gemma-eval rescore`"
            for name, why in self._failures.items()
        }

    def put(self, task: Task, record: Record) -> None:
        if task.slow_scoring:
            self._waiting += 1
            self._pool.submit(self._work, task, record)
            self._hand_back(wait=False)
        else:
            self._finish(task, record, _verdict(task, record))

    def _work(self, task: Task, record: Record) -> None:
        self._finished.put((task, record, _verdict(task, record)))

    def _hand_back(self, wait: bool) -> None:
        while self._waiting:
            try:
                finished = self._finished.get(block=wait)
            except Empty:
                return
            self._waiting -= 1
            self._finish(*finished)

    def _finish(self, task: Task, record: Record, verdict: Grade | Exception) -> None:
        if isinstance(verdict, Grade):
            record = replace(record, scores=verdict.scores, extracted=verdict.extracted)
        else:
            why = f"sample {record.id}: {'' if isinstance(verdict, GemmaEvalError) else f'{type(verdict).__name__}: '}{verdict}"
            if not self._failures[task.name]:
                log.warning("%s: %s", task.name, why, exc_info=None if isinstance(verdict, GemmaEvalError) else verdict)
            self._failures[task.name].append(why)
            record = replace(record, scores={}, extracted="")
        self._done(task, record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._hand_back(wait=True)
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _verdict(task: Task, record: Record) -> Grade | Exception:
    try:
        return task.score(record.target, record.response)
    except Exception as error:  # whatever a metric raises must not take the run, or the answer, along
        return error
