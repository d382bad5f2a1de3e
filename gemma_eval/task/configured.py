"""Tasks with the settings that a finished run gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from gemma_eval.errors import RunError
from gemma_eval.settings import unlocked
from gemma_eval.task.base import Task
from gemma_eval.task.registry import load_plugins, registry


def configured_tasks(settings: Mapping[str, Mapping[str, Any]], plugins: Sequence[str]) -> dict[str, Task]:
    """The tasks of a finished run, by name. `settings` holds each task's fields, as the run's manifest has them.

    The files `plugins` are loaded first. Raises `RunError` if a task is still unknown, or if its page has other fields now.
    """
    load_plugins(list(plugins))
    return {name: _task(name, fields) for name, fields in settings.items()}


def _task(name: str, settings: Mapping[str, Any]) -> Task:
    if name not in registry():
        raise RunError(f"the run has task {name!r}, which is not registered: load its plugin with plugins=[FILE]")
    try:
        merged = OmegaConf.merge(unlocked(OmegaConf.structured(registry()[name])), settings)
        return OmegaConf.to_object(merged)  # type: ignore[return-value]
    except Exception as error:  # OmegaConf raises many kinds of errors, and a page's own __post_init__ any
        raise RunError(f"task {name!r} no longer has the settings of this run: {error}") from error
