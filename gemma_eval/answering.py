"""Everything a run asks gets its answer: from the store where it has one, else from the backend; kept as it arrives."""

from __future__ import annotations

import logging
from collections import defaultdict
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from functools import reduce

from gemma_eval.backends import Backend
from gemma_eval.division import divide
from gemma_eval.errors import RunError, UnansweredError
from gemma_eval.keys import prompt_sha256
from gemma_eval.processes import Processes
from gemma_eval.progress import Progress
from gemma_eval.scorer import Scorer
from gemma_eval.store import Entry, RunDir
from gemma_eval.task import Task
from gemma_eval.thumbnails import Thumbnails
from gemma_eval.types import Encoded, Record, Response, Sample, Usage
from gemma_eval.usage_log import UsageLog
from gemma_eval.watch import reporter

log = logging.getLogger(__name__)

NOTHING = Usage()


@dataclass(frozen=True)
class Asked:
    """A sample, its request as token ids, and the key under which its answer is kept."""

    task: Task
    sample: Sample
    encoded: Encoded
    key: str

    @property
    def entry(self) -> Entry:
        return Entry(self.sample.id, self.key)


def answer_all(directory: RunDir, asked: list[Asked], backend: Backend, thumbnails: Thumbnails, processes: Processes) -> dict[str, str]:
    """Ask the backend what the store does not know, each distinct request once and in one of the processes. Returns what could not be
    answered or scored, by task. The main process returns when all have kept their answers; the other ones in a part of the directory."""
    own = directory.part(processes.rank)
    known = _Known(own, asked)  # what was answered earlier is for the main process to know
    waiting: dict[str, list[Asked]] = defaultdict(list)  # samples that ask the very same thing share one answer
    for item in known.todo:
        waiting[item.key].append(item)
    share = _share(waiting, known, processes)
    if share is None:
        log.info("%s: all %d samples are answered already", directory.name, len(asked))
        return {}
    watched = reporter(directory, [item.task for item in asked], known.scored) if processes.main else nullcontext()
    with watched as progress:
        with nullcontext() if processes.main else own.lock():  # the main process has that of the whole directory
            unscored = _answer(own, waiting, known, share, backend, thumbnails, progress)
        return reduce(joined, processes.exchange(unscored))


def _share(waiting: dict[str, list[Asked]], known: _Known, processes: Processes) -> list[str] | None:
    """The keys that the backend is to be asked for in this process; None if nothing is left to do in any. The main process decides."""
    shares: list[list[str]] | None = None
    if processes.main and waiting:
        unknown = [key for key in waiting if key not in known.responses]
        divided = divide([waiting[key][0].encoded for key in unknown], processes.count)
        shares = [[unknown[i] for i in indices] for indices in divided]
    decided = processes.exchange(shares)[0]
    if decided is None:
        return None
    if not waiting.keys() >= set(decided[processes.rank]):
        raise RunError("this process has prepared other requests than the main one: are data, settings and versions the same everywhere?")
    return decided[processes.rank]


def _answer(
    directory: RunDir,
    waiting: dict[str, list[Asked]],
    known: _Known,
    share: list[str],
    backend: Backend,
    thumbnails: Thumbnails,
    progress: Progress | None,
) -> dict[str, str]:
    """Keep the answers that are known, and those to this process's share of the rest, which the backend is asked for."""
    found = {key: known.responses[key] for key in waiting if key in known.responses}
    unknown = [waiting[key] for key in share]
    unanswered: dict[str, str] = {}
    with ExitStack() as stack:
        tasks = {item.task.name for key in (*found, *share) for item in waiting[key]}
        keeper = _Keeper(directory, tasks, known.stored, thumbnails, progress, stack)
        for key, response in found.items():
            keeper.keep(waiting[key], response)
        try:
            for answer in backend.answer([items[0].encoded for items in unknown]) if unknown else ():
                keeper.keep(unknown[answer.index], answer.response, answer.usage, answer.method)
        except UnansweredError as error:
            unanswered = _unanswered([(item, why) for index, why in error.reasons.items() for item in unknown[index]])
    return joined(unanswered, keeper.unscorable)


def joined(first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    """Messages by task; a task in both has both."""
    return first | second | {name: f"{first[name]}; {second[name]}" for name in first.keys() & second.keys()}


class _Known:
    """What the run directory has of the samples asked, and what is left to do."""

    def __init__(self, directory: RunDir, asked: list[Asked]) -> None:
        found = {name: directory.found(name) for name in {item.task.name for item in asked}}
        self.stored = {(name, entry) for name, records in found.items() for entry in records}
        self.responses = {record.key: record.response for records in found.values() for record in records.values()}
        self.scored: list[tuple[Task, Record]] = []
        self.todo: list[Asked] = []
        for item in asked:
            record = found[item.task.name].get(item.entry)
            if record and record.scores:
                self.scored.append((item.task, record))
            else:
                self.todo.append(item)


class _Keeper:
    """Keeps answers as they arrive: scored, stored, counted and shown.

    An answer whose scoring takes time is stored at once without scores, and again with them.
    """

    def __init__(
        self,
        directory: RunDir,
        tasks: set[str],
        stored: set[tuple[str, Entry]],
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

    def keep(self, items: list[Asked], response: Response, spent: Usage = NOTHING, method: str = "") -> None:
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
        if record.scores or (task.name, Entry(record.id, record.key)) not in self._stored:
            self._files[task.name].write(record)
        if self._progress:
            self._progress.advance(task, record, self._unseen.pop(record.key, NOTHING))


def _unanswered(reasons: list[tuple[Asked, str]]) -> dict[str, str]:
    """By task: how many samples have no answer, and why the first has none."""
    by_task: dict[str, list[str]] = defaultdict(list)
    for item, why in reasons:
        by_task[item.task.name].append(f"sample {item.sample.id}: {why}")
    missing = {name: f"{name}: {len(why)} samples cannot be answered; {why[0]}" for name, why in by_task.items()}
    for message in missing.values():
        log.warning("%s", message)
    return missing


def _unscored(item: Asked, response: Response) -> Record:
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
