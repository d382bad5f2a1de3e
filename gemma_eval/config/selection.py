"""The suite's tasks, the run's name."""

from __future__ import annotations

from typing import Any

from gemma_eval.settings import (
    RunConfig,
)
from gemma_eval.task.base import Task
from gemma_eval.task.code import CodeGeneration
from gemma_eval.task.vision import VisionTask


def selected_tasks(config: RunConfig) -> list[Task]:
    """The suite's tasks with their settings; the run's limit, seed and images fill what a task leaves open."""
    tasks = []
    for name in dict.fromkeys(config.suite.tasks):
        task: Task = getattr(config.tasks, name)
        task.limit = config.limit if task.limit is None else task.limit
        task.seed = config.seed if task.seed is None else task.seed
        if config.sandbox and isinstance(task, CodeGeneration):
            task.sandbox = config.sandbox
        if isinstance(task, VisionTask):
            task.show_as(config.images)
        tasks.append(task)
    return tasks


def run_name(config: RunConfig) -> str:
    """Name of the run directory: the same choices give the same name, so the same command resumes."""
    if config.run:
        return config.run
    model = config.model.size if config.model.path is None else config.model.path.rstrip("/").rsplit("/", 1)[-1]
    weights = weights_label(config)
    parts = [model, config.variant.value, weights, config.backend.name, config.suite.name]
    return "-".join(parts + (["samples"] if config.data.samples else []))


def weights_label(config: Any) -> str:
    """What the weights are called in names and reports: the quantization, and of what, unless that is Google's checkpoint."""
    weights, made_of = config.weights.name, getattr(config.weights, "checkpoint", None)
    if config.model.path is not None:
        return f"local-{weights}" if made_of else "local"
    return weights if made_of in (None, "bf16") else f"{weights}-of-{made_of}"
