"""Finished runs scored again with today's metrics."""

from __future__ import annotations

from gemma_eval.errors import RunError
from gemma_eval.scoring.scorer import Scorer
from gemma_eval.scoring.scores_json import write_scores
from gemma_eval.store.merge import merge_parts
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.base import Task
from gemma_eval.task.configured import configured_tasks
from gemma_eval.types import Record


def rescore(directory: RunDir) -> int:
    """Score a finished run's answers again, with today's metrics and without a model. Returns how many records changed."""
    tasks = configured_tasks(directory.read_json("manifest.json"))
    for task in tasks.values():
        task.check_scorable()
    with directory.lock():
        merge_parts(directory)
        found = [_rescore_task(directory, name, task) for name, task in tasks.items()]
        write_scores(directory)
    if failed := [why for _, failures in found for why in failures.values()]:
        raise RunError("\n".join(failed))
    return sum(changed for changed, _ in found)


def _rescore_task(directory: RunDir, name: str, task: Task) -> tuple[int, dict[str, str]]:
    """How many records changed, and what could not be scored; that keeps its record."""
    old = {SampleKey(record.id, record.key): record for record in directory.answers(name)}
    new: list[str] = []

    def done(task: Task, record: Record) -> None:
        if record.scores and record != old[SampleKey(record.id, record.key)]:
            appender.write(record)
            new.append(record.id)

    with directory.append(name) as appender, Scorer(done) as scorer:
        for record in old.values():
            scorer.put(task, record)
    return len(new), scorer.failed
