"""Which tasks a run scores, resolved once, and what the run is called."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path

from gemma_eval.errors import ConfigError
from gemma_eval.ranges import FOLDER_NAME
from gemma_eval.settings import RunConfig
from gemma_eval.task.base import Task
from gemma_eval.task.code import CodeGeneration
from gemma_eval.task.vision import VisionTask
from gemma_eval.types import ModelLabel

NAMED = frozenset({"model", "variant", "weights", "backend", "suite", "data"})
"""The groups whose choices make a run's name."""


def resolved(config: RunConfig) -> RunConfig:
    """The settings with `tasks` as the tuple of the suite's tasks, each once, in the suite's order.

    The run's limit, seed, sandbox and image settings fill what a task leaves open. `~` in the paths of folders is the user's home, as
    in a shell. Nothing is written into the tasks given.
    """
    values = {field.name: getattr(config, field.name) for field in fields(RunConfig)}
    chosen = (getattr(config.tasks, name) for name in dict.fromkeys(config.suite.tasks))
    data = replace(config.data, root=at_home(config.data.root), lock=at_home(config.data.lock))
    values |= {"data": data, "results": at_home(config.results), "plugins": [at_home(file) for file in config.plugins]}
    return RunConfig(**values | {"tasks": tuple(_resolved_task(task, config) for task in chosen)})


def at_home(path: str | None) -> str | None:
    """A path with the user's home in place of `~`; a home that is not known stays as it is."""
    return None if path is None else os.path.expanduser(path)  # noqa: PTH111 - Path.expanduser raises where there is no such user


def _resolved_task(task: Task, config: RunConfig) -> Task:
    task = replace(
        task,
        limit=config.limit if task.limit is None else task.limit,
        seed=config.seed if task.seed is None else task.seed,
    )
    if task.dataset.repo != type(task)().dataset.repo:  # the page's commit is one of its own repository
        task = replace(task, dataset=replace(task.dataset, pinned=""))
    if isinstance(task, CodeGeneration) and config.sandbox:
        task = replace(task, sandbox=config.sandbox)
    return task.with_images(config.images) if isinstance(task, VisionTask) else task


def run_name(config: RunConfig) -> str:
    """Name of the run directory: the same choices give the same name, so the same command resumes.

    Raises `ConfigError` if the name made from the choices cannot be a folder's.
    """
    name = config.run or _made_name(config)
    if not FOLDER_NAME.holds(name):
        raise ConfigError(
            f"run: the name made of these settings, {name[:40]!r}..., must be {FOLDER_NAME.words}; choose another with run=NAME"
        )
    return name


def _made_name(config: RunConfig) -> str:
    model = (
        config.model.size if config.model.path is None else Path(os.path.normpath(Path.cwd() / config.model.path)).name
    )  # a link keeps its own name
    parts = [model, config.variant.value, weights_label(config), config.backend.name, config.suite.name]
    return "-".join(parts + (["samples"] if config.data.samples else []))


def weights_label(config: RunConfig) -> str:
    """The weights' name in run names and reports: the quantization, and of which checkpoint, unless that is Google's bf16."""
    weights, quantized_from = config.weights.name, config.weights.checkpoint
    if config.model.path is not None:
        return f"local-{weights}" if quantized_from else "local"
    return weights if quantized_from in (None, "bf16") else f"{weights}-of-{quantized_from}"


def model_label(config: RunConfig) -> ModelLabel:
    """How reports name the model of these settings."""
    return ModelLabel(
        size=config.model.size,
        variant=config.variant.value,
        weights=weights_label(config),
        backend=config.backend.name,
        dtype=config.backend.dtype.value,
    )
