"""Scores for a model's repository on the Hub: `model-index` metadata for its README.md, and files for `.eval_results/`.

Scores on the bundled samples are left out, since they say nothing about a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from gemma_eval.errors import RunError
from gemma_eval.export.frames import Runs, scored_tasks
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.scores import MetricScore, TaskScores
from gemma_eval.task.base import Generation, Task

NOTE = """\
# Copy into `.eval_results/` of the model's repository. The Hub shows results of data sets that are registered as benchmarks;
# `task_id` must be one that the data set's own eval.yaml names (written here: its configuration, or "default").
"""


def write(runs: Runs, out: Path) -> list[str]:
    """For each run, a folder to copy into a model's repository: metadata for the card, and a file of results for each task."""
    written = []
    for run in runs.runs:
        measured, tasks = dict(_measured(run)), scored_tasks(run)
        if not measured:
            raise RunError(f"{run.path}: measured on the bundled samples alone, which is nothing to publish; run it with real data")
        folder = out / run.scores.run
        (folder / ".eval_results").mkdir(parents=True, exist_ok=True)
        (folder / "model-index.yaml").write_text(_model_index(run, tasks, measured), encoding="utf-8")
        single = {name: entry for name, entry in measured.items() if len(tasks[name].dataset.repos()) == 1}
        for name, entry in single.items():
            (folder / ".eval_results" / f"{name}.yaml").write_text(_eval_results(run, tasks[name], entry), encoding="utf-8")
        written += [str(folder / "model-index.yaml"), f"{folder / '.eval_results'} ({len(single)} files)"]
    return written


def _measured(run: RunDir) -> Iterator[tuple[str, TaskScores]]:
    for name, entry in run.scores.tasks.items():
        if entry.source != "samples" and entry.score.value is not None:
            yield name, entry


def _model_index(run: RunDir, tasks: Mapping[str, Task], measured: Mapping[str, TaskScores]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = []
    for name, entry in measured.items():
        task = tasks[name]
        for metric, numbers in entry.metrics.items():
            results.append(
                EvalResult(
                    task_type="image-text-to-text" if task.vision else "text-generation",
                    dataset_type=", ".join(task.dataset.repos()),
                    dataset_name=task.card or name,
                    dataset_config=task.dataset.config,
                    dataset_split=task.dataset.split,
                    dataset_revision=_revision(run, task),
                    dataset_args={"num_few_shot": task.num_fewshot},
                    metric_type=metric,
                    metric_name=f"{metric}, {_described(entry, numbers)}",
                    metric_value=numbers.value,
                )
            )
    return ModelCardData(model_name=run.scores.run, eval_results=results).to_yaml() + "\n"


def _eval_results(run: RunDir, task: Task, entry: TaskScores) -> str:
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    numbers = entry.score
    found = EvalResultEntry(
        dataset_id=task.dataset.repo,
        task_id=task.dataset.config or "default",
        value=numbers.value,
        dataset_revision=_revision(run, task),
        date=run.date.date().isoformat(),
        notes=f"{entry.primary}, {task.num_fewshot}-shot {_kind(task)}, {_described(entry, numbers)}; by gemma_eval",
    )
    return NOTE + yaml.safe_dump(eval_result_entries_to_yaml([found]), sort_keys=False, allow_unicode=True)


def _revision(run: RunDir, task: Task) -> str | None:
    """The commit of the rows, if they came from one repository of the Hub: neither a folder nor several repositories have one."""
    found = run.environment.datasets.get(task.name)
    if found is None or found.source != "hub" or len(task.dataset.repos()) != 1:
        return None
    return next(iter(found.commits.values()), found.revision)


def _kind(task: Task) -> str:
    return "generation" if isinstance(task, Generation) else "scoring"


def _described(entry: TaskScores, numbers: MetricScore) -> str:
    items = f"{entry.n} of {entry.size} items"
    return f"{items}, 95 % interval {numbers.low:.4f} to {numbers.high:.4f}" if numbers.ci95 else items
