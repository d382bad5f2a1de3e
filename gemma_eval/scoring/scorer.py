"""Grades answers beside the model: quick metrics at once, slow ones in threads, so that the model never waits for them."""

from __future__ import annotations

import logging
import math
import operator
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from gemma_eval.errors import GemmaEvalError, MetricError
from gemma_eval.runtime.processes import this
from gemma_eval.scoring.readers import scores_answers_alone
from gemma_eval.task.base import Task
from gemma_eval.types import Grade, Record

log = logging.getLogger(__name__)


class Scorer:
    """Passes every record given to `put` on to `done`, with its scores, in any order and on the caller's thread.

    A record whose metric raises is passed on without scores, and `failures` says why, so no answer is lost. All records have been passed on
    when the context ends. If an error ends it, those still being scored are dropped.
    """

    def __init__(self, done: Callable[[Task, Record], None]) -> None:
        self._done = done
        self._pool = ThreadPoolExecutor(this().cores, thread_name_prefix="score")
        self._finished: SimpleQueue[tuple[Task, Record, Grade | Exception]] = SimpleQueue()
        self._waiting = 0
        self._failures: dict[str, dict[str, str]] = defaultdict(dict)

    @property
    def failures(self) -> Mapping[str, Mapping[str, str]]:
        """Why answers could not be scored, by task and sample id."""
        return self._failures

    def put(self, task: Task, record: Record) -> None:
        """Score a record: now, or in a thread if the task scores slowly."""
        if task.slow_scoring:
            self._waiting += 1
            self._pool.submit(self._work, task, record)
            self._hand_back(wait=False)
        else:
            self._finish(task, record, _grade(task, record))

    def _work(self, task: Task, record: Record) -> None:
        self._finished.put((task, record, _grade(task, record)))

    def _hand_back(self, wait: bool) -> None:
        while self._waiting:
            try:
                finished = self._finished.get(block=wait)
            except Empty:
                return
            self._waiting -= 1
            self._finish(*finished)

    def _finish(self, task: Task, record: Record, grade: Grade | Exception) -> None:
        if isinstance(grade, Grade):
            record = replace(record, scores=grade.scores, extracted=grade.extracted)
        else:
            expected = isinstance(grade, GemmaEvalError)
            if not self._failures[task.name]:
                log.warning("%s: sample %s cannot be scored", task.name, record.id, exc_info=None if expected else grade)
            self._failures[task.name][record.id] = str(grade) if expected else f"{type(grade).__name__}: {grade}"
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


def _grade(task: Task, record: Record) -> Grade | Exception:
    try:
        return checked(task, task.score(record.target, record.response))
    except Exception as error:  # whatever a metric raises must cost neither the run nor the answer
        return error


def checked(task: Task, grade: Grade) -> Grade:
    """The grade, with plain numbers. Raises `MetricError` if a metric of the task has none, or one that is not finite.

    A page that scores several answers together may give one answer only a part of its metrics.
    """
    counted = task.corpus_metrics()
    lacking = [metric for metric in task.metrics if metric not in grade.scores]
    if lacking and (scores_answers_alone(task) or len(lacking) == len(task.metrics)):
        raise MetricError(f"its scorer gives no {lacking[0]!r}")
    scores = {metric: (_counts if metric in counted else _number)(metric, score) for metric, score in grade.scores.items()}
    return replace(grade, scores=scores)


def _number(metric: str, score: object) -> float:
    try:
        number = float(score)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(score, str):
        raise MetricError(f"metric {metric!r} gives {score!r}, which is not a finite number")
    return number


def _counts(metric: str, score: object) -> list[int]:
    try:
        return [operator.index(count) for count in score]  # type: ignore[attr-defined]
    except TypeError as error:
        raise MetricError(f"metric {metric!r} gives {score!r}, where a corpus metric needs a list of whole numbers") from error
