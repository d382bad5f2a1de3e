"""What a run left behind, as comparisons need it: read from its directory, or from a baseline file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.usage import Spent, read_spent
from gemma_eval.task.base import Task
from gemma_eval.task.configured import configured_tasks
from gemma_eval.types import JSON, ModelLabel, Provenance, Record, ScoreResponse


@dataclass(frozen=True)
class TaskResults:
    """One task of a run. `records`: those to average. `answered`: items with a scored answer. `asked`: items that the run asks.
    `size`: items of the full split."""

    task: Task
    records: list[Record]
    answered: int
    asked: int
    size: int
    data: Provenance
    settings: dict[str, Any]
    spent: Spent


@dataclass(frozen=True)
class Results:
    """A run's answers and scores. `engine`: the fingerprint that every request key holds. `noise`: see `gate.noise_floor`."""

    name: str
    origin: Path
    model: ModelLabel
    engine: dict[str, JSON]
    peak_memory: dict[str, int]
    plugins: list[str]
    tasks: dict[str, TaskResults]
    noise: dict[str, float] = field(default_factory=dict)  # by task; only baselines have it


def of_run(run: RunDir) -> Results:
    """The results of a run directory. Raises `RunError` if it is not scored yet."""
    scores, manifest, environment, spent = run.scores, run.manifest, run.environment, read_spent(run)
    tasks = {}
    for name, task in configured_tasks(manifest.settings(), manifest.plugins).items():
        entry, answers = manifest.tasks[name], run.records(name)
        tasks[name] = TaskResults(
            task=task,
            records=list(task.records_to_average(answers)),
            answered=len(answers),
            asked=len(entry.samples),
            size=entry.size,
            data=environment.datasets.get(name, Provenance(entry.source)),
            settings=entry.settings,
            spent=spent.get(name, Spent()),
        )
    return Results(run.name, run.path.resolve(), scores.model, environment.model, scores.peak_memory, manifest.plugins, tasks)


def is_scored_choice(record: Record) -> bool:
    """Whether the record has a choice's log-likelihoods and the index of the gold one."""
    return isinstance(record.response, ScoreResponse) and isinstance(record.target, dict) and isinstance(record.target.get("gold"), int)
