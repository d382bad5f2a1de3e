"""Scores as the Hub's model cards hold them: `model-index` metadata for README.md, and files for `.eval_results/`.

Only primary scores on data sets of the Hub, with their intervals in words; bundled samples say nothing about a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from gemma_eval.errors import RunError
from gemma_eval.export.frames import Run, Runs
from gemma_eval.task.base import Generation, Task

NOTE = """\
# Copy into `.eval_results/` of the model's repository. The Hub shows results of data sets that are registered as benchmarks;
# `task_id` must be one that the data set's own eval.yaml names (written here: its configuration, or "default").
"""


def write(runs: Runs, out: Path) -> list[str]:
    """Per run a folder to copy into a model repository: metadata for the card, and a file of results for each task."""
    written = []
    for run in runs.runs:
        measured = dict(_measured(run))
        if not measured:
            raise RunError(
                f"{run.directory.path}: measured on the bundled samples alone, which is no result to publish; run with real data"
            )
        folder = out / run.name
        (folder / ".eval_results").mkdir(parents=True, exist_ok=True)
        (folder / "model-index.yaml").write_text(_model_index(run, measured), encoding="utf-8")
        single = {name: entry for name, entry in measured.items() if len(run.tasks[name].dataset.repos()) == 1}
        for name, entry in single.items():
            (folder / ".eval_results" / f"{name}.yaml").write_text(_eval_results(run, name, entry), encoding="utf-8")
        written += [str(folder / "model-index.yaml"), f"{folder / '.eval_results'} ({len(single)} files)"]
    return written


def _measured(run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, entry in run.content["tasks"].items():
        if entry["source"] != "samples" and entry["metrics"][entry["primary"]]["value"] is not None:
            yield name, entry


def _model_index(run: Run, measured: dict[str, dict[str, Any]]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = []
    for name, entry in measured.items():
        task, data = run.tasks[name], _dataset(run, name)
        for metric, numbers in entry["metrics"].items():
            results.append(
                EvalResult(
                    task_type="image-text-to-text" if task.vision else "text-generation",
                    dataset_type=", ".join(task.dataset.repos()),
                    dataset_name=task.card or name,
                    dataset_config=task.dataset.config,
                    dataset_split=task.dataset.split,
                    dataset_revision=data.get("revision"),
                    dataset_args={"num_few_shot": task.num_fewshot},
                    metric_type=metric,
                    metric_name=f"{metric}, {_described(entry, numbers)}",
                    metric_value=numbers["value"],
                )
            )
    return ModelCardData(model_name=run.name, eval_results=results).to_yaml() + "\n"


def _eval_results(run: Run, name: str, entry: dict[str, Any]) -> str:
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    task, numbers = run.tasks[name], entry["metrics"][entry["primary"]]
    found = EvalResultEntry(
        dataset_id=task.dataset.repo,
        task_id=task.dataset.config or "default",
        value=numbers["value"],
        dataset_revision=_dataset(run, name).get("revision"),
        date=run.directory.date.date().isoformat(),
        notes=f"{entry['primary']}, {task.num_fewshot}-shot {_kind(task)}, {_described(entry, numbers)}; by gemma_eval",
    )
    return NOTE + yaml.safe_dump(eval_result_entries_to_yaml([found]), sort_keys=False, allow_unicode=True)


def _dataset(run: Run, name: str) -> dict[str, Any]:
    """Where the rows came from, if from one repository of the Hub: neither a local folder nor several repositories have one revision."""
    provenance = run.environment.get("datasets", {}).get(name, {})
    return provenance if provenance.get("source") == "hub" and len(run.tasks[name].dataset.repos()) == 1 else {}


def _kind(task: Task) -> str:
    return "generation" if isinstance(task, Generation) else "scoring"


def _described(entry: dict[str, Any], numbers: dict[str, Any]) -> str:
    items = f"{entry['n']} of {entry['size']} items"
    return f"{items}, 95 % interval {numbers['ci95'][0]:.4f} to {numbers['ci95'][1]:.4f}" if numbers["ci95"] else items
