"""How far a run is, and progress.json, which says so to whoever looks from outside.

Scores so far come from the answers as they are scored, at no further cost. They are of the items done by now, which are asked in the order
that is cheapest and not at random; scores that need all answers together (corpus metrics, items read in pairs) are left out.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gemma_eval.stats import intervals as stats
from gemma_eval.store.progress import Snapshot, TaskProgress
from gemma_eval.task.base import Average, Task
from gemma_eval.types import Record, Usage


@dataclass
class _Tally:
    """One task's samples and scores so far."""

    task: Task
    total: int
    done: int = 0
    values: list[float] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    subsets: list[str] = field(default_factory=list)
    shown: tuple[int, stats.Estimate] | None = None  # the last estimate, and of how many items

    def add(self, record: Record) -> None:
        self.done += 1
        score = record.scores.get(self.task.metrics[0])
        if isinstance(score, float | int) and type(self.task).records_to_average is Task.records_to_average:
            self.values.append(score)
            self.clusters.append(record.cluster)
            self.subsets.append(record.subset)

    def progress(self) -> TaskProgress:
        found = self._estimate()
        numbers = [None if math.isnan(number) else number for number in (found.value, found.low, found.high)]
        return TaskProgress(self.total, self.done, self.task.metrics[0], self.task.scale, *numbers)

    def _estimate(self) -> stats.Estimate:
        if self.shown is None or self.shown[0] != len(self.values):
            macro = self.task.average is Average.macro and len(set(self.subsets)) > 1
            found = stats.estimate(self.values, self.clusters, self.subsets if macro else None, self.task.scale)
            self.shown = len(self.values), found
        return self.shown[1]


class Progress:
    """Counts what is done. Told by the run's thread, asked by another."""

    def __init__(self, tasks: Iterable[Task], earlier: Iterable[tuple[Task, Record]]) -> None:
        by_name: dict[str, Task] = {}
        totals = Counter(by_name.setdefault(task.name, task).name for task in tasks)
        self._tallies = {name: _Tally(task, totals[name]) for name, task in by_name.items()}
        self._lock = threading.Lock()
        self._started, self._clock = datetime.now(UTC), time.monotonic()
        self._spent = Usage()
        for task, record in earlier:
            self._tallies[task.name].add(record)
        self._before = self._done

    @property
    def _done(self) -> int:
        return sum(tally.done for tally in self._tallies.values())

    def advance(self, task: Task, record: Record, usage: Usage) -> None:
        """One more sample of `task` is answered, and scored if it could be."""
        with self._lock:
            self._tallies[task.name].add(record)
            self._spent += usage

    def arrived(self, task: str, record: Record) -> None:
        """Another process of the run has answered and scored one."""
        with self._lock:
            self._tallies[task].add(record)

    def snapshot(self) -> Snapshot:
        with self._lock:
            done, total = self._done, sum(tally.total for tally in self._tallies.values())
            elapsed, now = time.monotonic() - self._clock, done - self._before
            return Snapshot(
                started=self._started.isoformat(timespec="seconds"),
                updated=datetime.now(UTC).isoformat(timespec="seconds"),
                total=total,
                done=done,
                before=self._before,
                tokens_per_second=self._spent.computed / max(elapsed, 1e-9),
                reused=self._spent.reused,
                seconds_left=(total - done) * elapsed / now if now else None,
                tasks={name: tally.progress() for name, tally in self._tallies.items()},
            )
