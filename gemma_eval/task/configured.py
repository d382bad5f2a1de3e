"""Tasks as a finished run had configured them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omegaconf import OmegaConf

from gemma_eval.errors import RunError
from gemma_eval.task.base import Task
from gemma_eval.task.registry import load_plugins, registry


def configured_tasks(manifest: dict[str, Any], names: Iterable[str] | None = None) -> dict[str, Task]:
    """The tasks of a run's manifest, or those of these names, as they were configured. Its plugins are loaded first."""
    load_plugins(manifest["plugins"])
    chosen = manifest["tasks"] if names is None else names
    return {name: task_from_settings(name, manifest["tasks"][name]["settings"]) for name in chosen}


def task_from_settings(name: str, settings: dict[str, Any]) -> Task:
    """A task as it was configured in a finished run. Raises `RunError` if its page is gone or has other fields now."""
    if name not in registry():
        raise RunError(f"the run has task {name!r}, which is not registered: load its plugin")
    try:
        merged = OmegaConf.merge(OmegaConf.structured(registry()[name]), settings)
        return OmegaConf.to_object(merged)  # type: ignore[return-value]
    except Exception as error:
        raise RunError(f"task {name!r} no longer has the settings of this run: {error}") from error
