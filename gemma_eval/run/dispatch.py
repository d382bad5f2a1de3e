"""Each distinct request is answered once: from the store, or by the backend of one of the run's processes."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial, reduce

from gemma_eval.backends import Answer, Watcher
from gemma_eval.backends.possible import possible
from gemma_eval.errors import RunError, UnansweredError
from gemma_eval.plan.division import divide
from gemma_eval.run.checking import check_model
from gemma_eval.run.missing import Missing
from gemma_eval.run.planned import planned_tokens
from gemma_eval.run.prepare import Prepared, PreparedSample
from gemma_eval.run.progress import Progress
from gemma_eval.run.progress_view import reporter
from gemma_eval.run.recorder import Recorder
from gemma_eval.runtime.processes import Processes
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.thumbnails import Thumbnails
from gemma_eval.task.base import Task
from gemma_eval.types import Encoded, Record

log = logging.getLogger(__name__)


def answer_all(directory: RunDir, prepared: Prepared, thumbnails: Thumbnails, processes: Processes) -> Missing:
    """Answer every sample that the store has no score for. Returns what could not be answered or scored.

    The main process returns when all processes have kept their answers; each other one keeps its own in a part of the directory. Raises
    `ModelError` before anything is asked, if no answer could mean anything.
    """
    samples = prepared.samples
    own = directory.part(processes.rank)
    known = _Known(own, samples)  # the main process knows what was answered earlier
    waiting: dict[str, list[PreparedSample]] = defaultdict(list)  # samples that share a request share its answer
    for item in known.todo:
        waiting[item.key].append(item)
    share = _share(waiting, known, processes)
    if share is None:
        log.info("%s: all %d samples are answered already", directory.name, len(samples))
        return Missing()
    planned = planned_tokens(waiting[key][0] for key in share)
    tasks = [item.task for item in samples]
    with reporter(directory, tasks, known.scored, planned, processes.count) if processes.main else nullcontext() as progress:
        with nullcontext() if processes.main else own.lock():  # the main process has that of the whole directory
            ask = partial(_ask, directory, prepared, processes)
            missing = _answer(own, waiting, known, share, ask, thumbnails, progress)
        return reduce(Missing.joined, processes.exchange(missing))


def _share(waiting: dict[str, list[PreparedSample]], known: _Known, processes: Processes) -> list[str] | None:
    """The request keys that this process asks its backend for; None if no process has anything to do. The main process decides."""
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


def _ask(directory: RunDir, prepared: Prepared, processes: Processes, requests: Sequence[Encoded], watcher: Watcher) -> Iterator[Answer]:
    """The backend's answers, as far as they can be so, once its model is checked. Raises what `check_model` and `possible` raise."""
    check_model(directory, prepared.startup, processes, requests, watcher)
    if requests:
        yield from possible(requests, prepared.backend.answer(requests, watcher))


def _answer(
    directory: RunDir,
    waiting: dict[str, list[PreparedSample]],
    known: _Known,
    share: list[str],
    ask: Callable[[Sequence[Encoded], Watcher], Iterator[Answer]],
    thumbnails: Thumbnails,
    progress: Progress | None,
) -> Missing:
    """Record the answers that are known, then those to this process's share of the rest, which `ask` gives."""
    found = {key: known.responses[key] for key in waiting if key in known.responses}
    unknown = [waiting[key] for key in share]
    requests = [samples[0].encoded for samples in unknown]
    missing = Missing()
    with ExitStack() as stack:
        tasks = {item.task.name for key in (*found, *share) for item in waiting[key]}
        recorder = Recorder(directory, tasks, known.stored, thumbnails, progress, stack)
        for key, response in found.items():
            recorder.keep(waiting[key], response)
        try:
            for answer in ask(requests, recorder):
                recorder.keep(unknown[answer.index], answer.response, answer.usage, answer.method)
        except UnansweredError as error:
            missing.answers((item.task.name, item.sample.id, why) for index, why in error.reasons.items() for item in unknown[index])
    missing.scores(recorder.unscored)
    return missing


class _Known:
    """What the run directory has of the samples, and which of them are left to do."""

    def __init__(self, directory: RunDir, samples: list[PreparedSample]) -> None:
        found = {name: directory.found(name) for name in {item.task.name for item in samples}}
        self.stored = {(name, key) for name, records in found.items() for key in records}
        self.responses = {record.key: record.response for records in found.values() for record in records.values()}
        self.scored: list[tuple[Task, Record]] = []
        self.todo: list[PreparedSample] = []
        for item in samples:
            record = found[item.task.name].get(item.sample_key)
            if record and record.scores:
                self.scored.append((item.task, record))
            else:
                self.todo.append(item)
