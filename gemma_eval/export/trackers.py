"""Scores in experiment trackers: Weights & Biases (extra `wandb`) and MLflow (extra `mlflow`).

The trackers' own variables say where scores go: WANDB_MODE, WANDB_PROJECT, MLFLOW_TRACKING_URI. What a tracker keeps locally, such as runs
of W&B's offline mode, goes to the folder `out`.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gemma_eval.errors import ConfigError
from gemma_eval.export.frames import Runs
from gemma_eval.runtime.urls import without_secrets
from gemma_eval.store.run_dir import RunDir

PROJECT = "gemma-eval"


def log_to_wandb(runs: Runs, out: Path) -> list[str]:
    """Log each run as a W&B run, with its numbers in the summary and the frame of scores as a table."""
    wandb = _imported("wandb")
    os.environ.setdefault("WANDB_SILENT", "true")
    out.mkdir(parents=True, exist_ok=True)
    logged = []
    for run in runs.runs:
        scores = runs.scores[runs.scores["run"] == run.scores.run]
        with wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT), name=run.scores.run, config=_settings(run), dir=str(out)
        ) as started:
            started.summary.update(dict(_numbers(run)))
            started.log({"scores": wandb.Table(dataframe=scores)})
            logged.append(f"{run.scores.run}: {started.url or started.dir}")
    return logged


def log_to_mlflow(runs: Runs, out: Path) -> list[str]:
    """Log each run as an MLflow run, with scores.json as an artifact. Without a tracking server, they go to a database in `out`."""
    mlflow = _imported("mlflow")
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        out.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{out.resolve() / 'mlflow.db'}")
        if mlflow.get_experiment_by_name(PROJECT) is None:
            mlflow.create_experiment(PROJECT, artifact_location=(out.resolve() / "artifacts").as_uri())
    mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
    logged = []
    for run in runs.runs:
        with mlflow.start_run(run_name=run.scores.run) as started:
            mlflow.log_params(_settings(run))
            mlflow.log_metrics({re.sub(r"[^\w./ -]", "_", name): value for name, value in _numbers(run)})  # `pass@1` is refused
            mlflow.log_artifact(str(run.path / "scores.json"))
            logged.append(f"{run.scores.run}: {without_secrets(mlflow.get_tracking_uri())} run {started.info.run_id}")
    return logged


def _imported(tracker: str) -> Any:
    try:
        return importlib.import_module(tracker)
    except ImportError as error:
        raise ConfigError(f"--to {tracker}: not installed; pip install 'gemma-eval[{tracker}]'") from error


def _settings(run: RunDir) -> dict[str, Any]:
    environment = run.environment
    facts = {name: value for name in ("gemma_eval", "git_commit", "date") if (value := getattr(environment, name))}
    shots = {f"{name}.num_fewshot": entry.num_fewshot for name, entry in run.scores.tasks.items()}
    return {**asdict(run.scores.model), **facts, **shots}


def _numbers(run: RunDir) -> Iterator[tuple[str, float]]:
    """`piqa/acc_norm`, `piqa/acc_norm/stderr` and so on of whole tasks; subsets stand in the table."""
    for task, entry in run.scores.tasks.items():
        for metric, numbers in entry.metrics.items():
            for name, value in (("", numbers.value), ("/stderr", numbers.stderr), ("/low", numbers.low), ("/high", numbers.high)):
                if value is not None:
                    yield f"{task}/{metric}{name}", value
        for name in ("n", "extraction_failures", "empty", "truncated", "seconds"):
            yield f"{task}/{name}", getattr(entry, name)
