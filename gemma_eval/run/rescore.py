"""Finished runs are scored again, with today's metrics and without a model."""

from __future__ import annotations

from gemma_eval.errors import RunError
from gemma_eval.run.missing import Missing
from gemma_eval.scoring.scorer import Scorer
from gemma_eval.scoring.scores_json import write_scores
from gemma_eval.store.merge import merge_parts
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.base import Task
from gemma_eval.task.configured import configured_tasks
from gemma_eval.types import Record


def rescore(directory: RunDir) -> int:
    """Score a run's answers again. Returns how many records changed; raises `RunError` if some could not be scored, all others being."""
    manifest, missing = directory.manifest, Missing()
    tasks = configured_tasks(manifest.settings(), manifest.plugins)
    for task in tasks.values():
        task.check_scorable()
    with directory.lock():
        merge_parts(directory)
        changed = sum(_rescore_task(directory, task, missing) for task in tasks.values())
        write_scores(directory)
    if missing:
        raise RunError("\n".join(missing.by_task().values()))
    return changed


def _rescore_task(directory: RunDir, task: Task, missing: Missing) -> int:
    """How many records changed. One that cannot be scored keeps the scores it had."""
    old = {SampleKey(record.id, record.key): record for record in directory.answers(task.name)}
    changed = 0

    def done(task: Task, record: Record) -> None:
        nonlocal changed
        if record.scores and record != old[SampleKey(record.id, record.key)]:
            appender.write(record)
            changed += 1

    with directory.append(task.name) as appender, Scorer(done) as scorer:
        for record in old.values():
            scorer.put(task, record)
    missing.scores(scorer.failures)
    return changed
