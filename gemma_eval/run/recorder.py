"""Each answer scored, stored, counted, shown."""

from __future__ import annotations

from contextlib import ExitStack, closing

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
    """Keeps answers as they arrive: scored, stored, counted and shown.

    An answer whose scoring takes time is stored at once without scores, and again with them.
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
        self._unseen: dict[str, Usage] = {}  # by key: what progress was not told of yet

    @property
    def unscorable(self) -> dict[str, str]:
        """What could not be scored, by task; complete once the stack is closed."""
        return self._scorer.failed

    def keep(self, items: list[PreparedSample], response: Response, spent: Usage = NOTHING, method: str = "") -> None:
        """The answer to samples that asked the same. `spent`: nothing for one that was stored."""
        first = items[0]
        self._usage.add(first.task.name, spent, method)
        self._unseen[first.key] = spent
        self._thumbnails.keep(span.image for span in first.encoded.images)
        for item in items:
            record = _unscored(item, response)
            if item.task.slow_scoring and (item.task.name, item.entry) not in self._stored:
                self._files[item.task.name].write(record)
                self._stored.add((item.task.name, item.entry))
            self._scorer.put(item.task, record)
        self._usage.wait()

    def _scored(self, task: Task, record: Record) -> None:
        if record.scores or (task.name, SampleKey(record.id, record.key)) not in self._stored:
            self._files[task.name].write(record)
        if self._progress:
            self._progress.advance(task, record, self._unseen.pop(record.key, NOTHING))


def _unscored(item: PreparedSample, response: Response) -> Record:
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
