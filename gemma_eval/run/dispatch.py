"""Everything a run asks gets its answer: from the store where it has one, else from the backend; kept as it arrives."""

from __future__ import annotations

import logging
from collections import defaultdict
from contextlib import ExitStack, nullcontext
from functools import reduce

from gemma_eval.backends import Backend
from gemma_eval.errors import RunError, UnansweredError
from gemma_eval.plan.division import divide
from gemma_eval.run.missing import joined
from gemma_eval.run.prepare import PreparedSample
from gemma_eval.run.progress import Progress
from gemma_eval.run.progress_view import reporter
from gemma_eval.run.recorder import Recorder
from gemma_eval.runtime.processes import Processes
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.thumbnails import Thumbnails
from gemma_eval.task.base import Task
from gemma_eval.types import Record

log = logging.getLogger(__name__)


def answer_all(
    directory: RunDir, asked: list[PreparedSample], backend: Backend, thumbnails: Thumbnails, processes: Processes
) -> dict[str, str]:
    """Ask the backend what the store does not know, each distinct request once and in one of the processes. Returns what could not be
    answered or scored, by task. The main process returns when all have kept their answers; the other ones in a part of the directory."""
    own = directory.part(processes.rank)
    known = _Known(own, asked)  # what was answered earlier is for the main process to know
    waiting: dict[str, list[PreparedSample]] = defaultdict(list)  # samples that ask the very same thing share one answer
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


def _share(waiting: dict[str, list[PreparedSample]], known: _Known, processes: Processes) -> list[str] | None:
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
    waiting: dict[str, list[PreparedSample]],
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
        keeper = Recorder(directory, tasks, known.stored, thumbnails, progress, stack)
        for key, response in found.items():
            keeper.keep(waiting[key], response)
        try:
            for answer in backend.answer([items[0].encoded for items in unknown]) if unknown else ():
                keeper.keep(unknown[answer.index], answer.response, answer.usage, answer.method)
        except UnansweredError as error:
            unanswered = _unanswered([(item, why) for index, why in error.reasons.items() for item in unknown[index]])
    return joined(unanswered, keeper.unscorable)


class _Known:
    """What the run directory has of the samples asked, and what is left to do."""

    def __init__(self, directory: RunDir, asked: list[PreparedSample]) -> None:
        found = {name: directory.found(name) for name in {item.task.name for item in asked}}
        self.stored = {(name, entry) for name, records in found.items() for entry in records}
        self.responses = {record.key: record.response for records in found.values() for record in records.values()}
        self.scored: list[tuple[Task, Record]] = []
        self.todo: list[PreparedSample] = []
        for item in asked:
            record = found[item.task.name].get(item.entry)
            if record and record.scores:
                self.scored.append((item.task, record))
            else:
                self.todo.append(item)


def _unanswered(reasons: list[tuple[PreparedSample, str]]) -> dict[str, str]:
    """By task: how many samples have no answer, and why the first has none."""
    by_task: dict[str, list[str]] = defaultdict(list)
    for item, why in reasons:
        by_task[item.task.name].append(f"sample {item.sample.id}: {why}")
    missing = {name: f"{name}: {len(why)} samples cannot be answered; {why[0]}" for name, why in by_task.items()}
    for message in missing.values():
        log.warning("%s", message)
    return missing
