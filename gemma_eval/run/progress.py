"""How far a run is, and how its scores stand.

Scores so far are those of the items done by now. Items are asked in the cheapest order, not at random. Scores that need all answers
together (corpus metrics, items read in pairs) are left out.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gemma_eval.backends.base import Phase
from gemma_eval.run.estimate import Workload
from gemma_eval.run.planned import PlannedTokens
from gemma_eval.scoring.readers import scores_answers_alone
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
        if isinstance(score, float | int) and scores_answers_alone(self.task):
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
    """Counts what is done of a run. It is a `backends.base.Watcher`, and any thread may call it.

    `tasks`: one for each sample of the run. `earlier`: scored records that an earlier start of the run left. `planned`: the requests that
    this process asks its backend, by request key. With several `processes`, samples of all of them count, and tokens of this one.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        earlier: Iterable[tuple[Task, Record]],
        planned: Mapping[str, PlannedTokens] | None = None,
        processes: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        by_name: dict[str, Task] = {}
        totals = Counter(by_name.setdefault(task.name, task).name for task in tasks)
        self._tallies = {name: _Tally(task, totals[name]) for name, task in by_name.items()}
        self._lock = threading.Lock()
        self._clock = clock
        self._started = datetime.now(UTC)
        self._work = Workload(planned or {})
        self._processes = processes
        self._spent = Usage()
        for task, record in earlier:
            self._tallies[task.name].add(record)
        self._before = self._done

    @property
    def _done(self) -> int:
        return sum(tally.done for tally in self._tallies.values())

    def phase(self, phase: Phase) -> None:
        """The backend begins this phase."""
        with self._lock:
            self._work.begin(phase, self._clock())

    def generated(self, tokens: int) -> None:
        """The backend generated `tokens` more tokens, of texts that may not be finished yet."""
        with self._lock:
            self._work.generated(tokens, self._clock())

    def advance(self, task: Task, record: Record, usage: Usage) -> None:
        """One more sample of `task` is answered, and scored if it could be. `usage`: what the answer took, if no sample before had it."""
        with self._lock:
            self._tallies[task.name].add(record)
            self._work.answered(record.key, record.response, self._clock())
            self._spent += usage

    def arrived(self, task: str, record: Record) -> None:
        """Another process of the run has answered and scored a sample."""
        with self._lock:
            self._tallies[task].add(record)

    def snapshot(self) -> Snapshot:
        """How far the run is now. Time left is None once only stored answers, or those of other processes, are waited for."""
        with self._lock:
            done, total = self._done, sum(tally.total for tally in self._tallies.values())
            work = self._work.at(self._clock())
            unscored = self._work.over and done < total
            return Snapshot(
                started=self._started.isoformat(timespec="seconds"),
                updated=datetime.now(UTC).isoformat(timespec="seconds"),
                total=total,
                done=done,
                before=self._before,
                phase="waiting" if unscored and self._processes > 1 else work.phase,
                tokens=work.tokens,
                planned=work.planned,
                tokens_per_second=work.tokens_per_second,
                reused=self._spent.reused,
                seconds_left=None if unscored else work.seconds_left,
                phase_seconds_left=work.phase_seconds_left,
                at_most=work.at_most,
                processes=self._processes,
                tasks={name: tally.progress() for name, tally in self._tallies.items()},
            )
