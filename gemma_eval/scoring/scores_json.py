"""The scores of a run, from its directory alone: no model, no data set."""

from __future__ import annotations

from dataclasses import replace

from gemma_eval.scoring.summary import summarize
from gemma_eval.settings import Variant
from gemma_eval.store.manifest import TaskManifest
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.scores import Scores, TaskScores, Tokens
from gemma_eval.store.usage import Spent, read_peaks, read_spent
from gemma_eval.task.base import Task
from gemma_eval.task.chat import other_form
from gemma_eval.task.configured import configured_tasks
from gemma_eval.types import Record, Usage


def write_scores(directory: RunDir) -> Scores:
    """Write scores.json from manifest, records and usage, and return it. Tasks without any scored record are left out."""
    manifest, spent = directory.manifest, read_spent(directory)
    variant = Variant(manifest.model.variant)
    tasks = {
        name: _task_scores(task, records, manifest.tasks[name], spent.get(name, Spent()), variant)
        for name, task in configured_tasks(manifest.settings(), manifest.plugins).items()
        if (records := directory.records(name))
    }
    checks = directory.environment.checks
    scores = Scores(run=directory.name, model=manifest.model, tasks=tasks, peak_memory=read_peaks(directory), checks=checks)
    directory.write_json("scores.json", scores.to_json())
    return scores


def _task_scores(task: Task, records: list[Record], asked: TaskManifest, spent: Spent, variant: Variant) -> TaskScores:
    found = summarize(task, records, asked.size)
    sizes = asked.groups
    return replace(
        found,
        groups={name: replace(group, size=sizes[name].size, asked=sizes[name].asked) for name, group in found.groups.items()},
        asked=len(asked.samples),
        source=asked.source,
        missing=asked.missing,
        tokens=Tokens.of(Usage(spent.prompt, spent.computed, spent.generated)),
        seconds=round(spent.seconds, 3) if spent.timed else 0.0,  # a time that is not the task's own says nothing
        methods=spent.methods,
        warnings=[*found.warnings, *other_form(task, variant), *task.warnings()],
    )
