"""`environment.json`: what a run ran on, which model answered, and where its rows came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gemma_eval.store.documents import read_json, refuse_newer, validated
from gemma_eval.types import Provenance

SCHEMA = 0  # the file has not said one so far
MEND = "delete the file and run the same command again"


@dataclass(frozen=True)
class Check:
    """One check of the model before its first answer. `healthy` is None for what could not be checked."""

    name: str
    healthy: bool | None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """`model`: the fingerprint that every request key holds. `datasets`: by task. `checks`: the verdict of the latest start that asked the
    model anything. What an older run does not say is empty."""

    date: str = ""  # ISO 8601, UTC
    gemma_eval: str = ""  # version
    git_commit: str | None = None
    python: str = ""
    platform: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    cpu: dict[str, Any] = field(default_factory=dict)
    gpus: list[str] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    datasets: dict[str, Provenance] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.date:
            datetime.fromisoformat(self.date)

    def to_json(self) -> Any:
        """The environment as JSON values."""
        return _ADAPTER.dump_python(self, mode="json")


_ADAPTER = TypeAdapter(Environment)


def read_environment(folder: Path) -> Environment:
    """The environment of the run in `folder`, or an empty one if the run kept none.

    Raises `RunError` if the file is damaged or newer than this program.
    """
    file = folder / "environment.json"
    if not file.exists():
        return Environment()
    value = read_json(file, MEND)
    refuse_newer(value, file, SCHEMA)
    return validated(_ADAPTER, value, file, MEND)
