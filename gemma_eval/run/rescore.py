"""Finished runs are scored again, with today's metrics and without a model."""

from __future__ import annotations

from collections.abc import Mapping

from gemma_eval.errors import ConfigError, RunError, near
from gemma_eval.run.missing import Missing
from gemma_eval.scoring.readers import Explanation, diagnostic_metrics, differences
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


def explain(directory: RunDir, name: str) -> tuple[Explanation, Mapping[str, str]]:
    """Score a task's answers again, and say where its metrics differ, and which answers cannot be scored. Nothing is written.

    Raises `ConfigError` if the run has no such task, or if the task has no diagnostics.
    """
    settings = directory.manifest.settings()
    if name not in settings:
        raise ConfigError(f"--explain {name}: {directory.path} has no such task.{near(name, settings)} Its tasks: {', '.join(settings)}")
    task = configured_tasks({name: settings[name]}, directory.manifest.plugins)[name]
    diagnostics = diagnostic_metrics(task)
    if not diagnostics:
        raise ConfigError(f"--explain {name}: the task has no diagnostics, so there is nothing to compare; choose a task that has some")
    task.check_scorable()
    scored: dict[SampleKey, Record] = {}
    missing = Missing()
    with Scorer(lambda _, record: scored.update({SampleKey(record.id, record.key): record})) as scorer:
        for record in (answers := directory.answers(name)):
            scorer.put(task, record)
    missing.scores(scorer.failures)
    records = [found for record in answers if (found := scored[SampleKey(record.id, record.key)]).scores]
    return Explanation(task, diagnostics, len(records), differences(task, records)), missing.by_task()
