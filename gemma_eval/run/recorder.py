"""Answers as they arrive: scored, stored, counted and shown."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing

from gemma_eval.backends import Phase
from gemma_eval.run.prepare import PreparedSample
from gemma_eval.run.progress import Progress
from gemma_eval.scoring.scorer import Scorer
from gemma_eval.store.keys import prompt_sha256
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.thumbnails import Thumbnails
from gemma_eval.store.usage import UsageLog
from gemma_eval.task.base import Task
from gemma_eval.types import Record, Response, Usage

NOTHING = Usage()


class Recorder:
    """Keeps answers, and hears from the backend on the way to them.

    An answer whose scoring takes time is stored at once without scores, and again with them.

    `stored`: the records that the run has already, by task. `progress`: None in a process that shows none.
    """

    def __init__(
        self,
        directory: RunDir,
        tasks: set[str],
        stored: set[tuple[str, SampleKey]],
        thumbnails: Thumbnails,
        progress: Progress | None,
        stack: ExitStack,
    ) -> None:
        self._stored = stored
        self._thumbnails = thumbnails
        self._progress = progress
        self._files = {name: stack.enter_context(directory.append(name)) for name in tasks}
        self._usage = stack.enter_context(closing(UsageLog(directory)))
        self._scorer = stack.enter_context(Scorer(self._scored))
        self._untold: dict[str, Usage] = {}  # by request key: usage that progress has not heard of yet

    def phase(self, phase: Phase) -> None:
        """The backend begins a phase: see `backends.Watcher`."""
        self._usage.phase(phase)
        if self._progress:
            self._progress.phase(phase)

    def generated(self, tokens: int) -> None:
        """The backend generated more tokens: see `backends.Watcher`."""
        self._usage.generated(tokens)
        if self._progress:
            self._progress.generated(tokens)

    @property
    def unscored(self) -> Mapping[str, Mapping[str, str]]:
        """Why answers could not be scored, by task and sample id; complete once the stack is closed."""
        return self._scorer.failures

    def keep(self, samples: list[PreparedSample], response: Response, spent: Usage = NOTHING, method: str = "") -> None:
        """Record the answer to samples that share one request. `spent`: nothing for an answer that was stored before."""
        first = samples[0]
        self._usage.add(first.task.name, spent, method)
        self._untold[first.key] = spent
        self._thumbnails.keep(span.image for span in first.encoded.images)
        for item in samples:
            record = _unscored_record(item, response)
            if item.task.slow_scoring and (item.task.name, item.sample_key) not in self._stored:
                self._files[item.task.name].write(record)
                self._stored.add((item.task.name, item.sample_key))
            self._scorer.put(item.task, record)
        self._usage.wait()

    def _scored(self, task: Task, record: Record) -> None:
        if record.scores or (task.name, SampleKey(record.id, record.key)) not in self._stored:
            self._files[task.name].write(record)
        if self._progress:
            self._progress.advance(task, record, self._untold.pop(record.key, NOTHING))


def _unscored_record(item: PreparedSample, response: Response) -> Record:
    return Record(
        id=item.sample.id,
        subset=item.sample.subset,
        cluster=item.sample.cluster,
        prompt_sha256=prompt_sha256(item.encoded),
        key=item.key,
        response=response,
        target=item.sample.target,
        scores={},
        dropped_shots=item.encoded.dropped_shots,
        fields=item.sample.fields,
    )
