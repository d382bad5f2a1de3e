"""The registry of tasks: the pages in `tasks/`, the tasks of installed packages, and files that users name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeVar

from gemma_eval.errors import ConfigError, PluginError
from gemma_eval.ranges import check
from gemma_eval.task import discovery
from gemma_eval.task.base import Generation, Task

ENTRY_POINTS = "gemma_eval.tasks"

TaskType = TypeVar("TaskType", bound=type[Task])
_registry: dict[str, type[Task]] = {}
_errors: list[PluginError] = []
_discovered = False


def register(cls: TaskType) -> TaskType:
    """Class decorator: check a task and add it to the registry. Raises `PluginError`, naming file and field."""
    _check(cls)
    _registry[cls.name] = cls
    return cls


def registry() -> dict[str, type[Task]]:
    """Every task by name. The first call imports the pages in `tasks/` and the packages of the entry-point group `gemma_eval.tasks`.

    A package that fails to load is left out; `plugin_errors` says why.
    """
    global _discovered
    if not _discovered:
        _discovered = True
        discovery.import_pages()
        for entry in entry_points(group=ENTRY_POINTS):
            _try_load(entry.value, entry.load)
    return _registry


def load_plugins(files: list[str]) -> None:
    """Add the tasks in these Python files. A file that fails to load is left out; `plugin_errors` says why."""
    registry()
    for file in files:
        _try_load(file, partial(discovery.import_file, Path(file)))


def plugin_errors() -> list[PluginError]:
    """Why packages and files were left out, in the order in which they were tried."""
    return list(_errors)


def _try_load(origin: str, load: Callable[[], object]) -> None:
    try:
        load()
    except PluginError as error:
        _errors.append(error)
    except Exception as error:  # a plugin may raise anything; the other tasks are loaded all the same
        _errors.append(PluginError(f"{origin}: {type(error).__name__}: {error}"))


def _check(cls: type[Task]) -> None:
    file = _file(cls)
    problem = f"{file}: {cls.__name__}"
    if not is_dataclass(cls) or "__dataclass_fields__" not in vars(cls):
        raise PluginError(f"{problem}: put @dataclass between @register and the class")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", cls.name):
        raise PluginError(f"{problem}.name: {cls.name!r} must be lower-case snake case")
    if cls.name in _registry and _file(_registry[cls.name]) != file:
        raise PluginError(f"{problem}.name: {cls.name!r} is taken by {_file(_registry[cls.name])}")
    if not (cls.__doc__ or "").strip() or (cls.__doc__ or "").startswith(f"{cls.__name__}("):
        raise PluginError(f"{problem}: needs a docstring that names paper, licence and protocol")
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if issubclass(cls, Generation) and cls.judge is Generation.judge and cls.grade is Generation.grade:
        missing.append("judge")
    if missing:
        raise PluginError(f"{problem}.{missing[0]}: not defined")
    if not cls.__module__.startswith(
        f"{discovery.PAGES}."
    ):  # the project's own pages are checked by tests: here it would take a third of a second
        check_settings(cls)


def check_settings(cls: type[Task]) -> None:
    """Raise `PluginError` if a field of the task cannot be a setting, or if its default is not valid."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    problem = f"{_file(cls)}: {cls.__name__}"
    try:
        node = OmegaConf.structured(cls)
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        raise PluginError(f"{problem}: a field's type cannot be a setting: {str(error).splitlines()[0]}") from error
    if not node.dataset.repo:
        raise PluginError(f"{problem}.dataset: needs a repository")
    try:
        check(cls(), f"{cls.__name__}.")
    except ConfigError as error:
        raise PluginError(f"{_file(cls)}: {error}") from error


def _file(cls: type[Task]) -> str:
    try:
        return inspect.getfile(cls)
    except (TypeError, OSError):
        return cls.__module__
