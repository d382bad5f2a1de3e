"""The folders of task pages, settings and converted checkpoints."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def _folder(name: str) -> Path:
    """A folder that is inside the package in an installed wheel, and beside it in a checkout."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


TASKS = _folder("tasks")
CONF = _folder("conf")


def options(group: str) -> list[str]:
    """The choices in a group of settings (`model`, `weights`, ...), sorted. Read from file names, because composing takes seconds."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def cache_folder() -> Path:
    """The folder for converted checkpoints: `$GEMMA_EVAL_CACHE`, else `$XDG_CACHE_HOME/gemma_eval`, else `~/.cache/gemma_eval`."""
    if chosen := os.environ.get("GEMMA_EVAL_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gemma_eval"
