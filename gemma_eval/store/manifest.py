"""`manifest.json`: what a run asks, task by task. It is written before the first answer is computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gemma_eval.errors import RunError
from gemma_eval.store.documents import read_json, schema_of, validated
from gemma_eval.store.records import SampleKey
from gemma_eval.types import ModelLabel

SCHEMA = 2
MEND = "delete the file and run the same command again: answers are kept"


@dataclass(frozen=True)
class GroupSize:
    """Items of a group of subsets: in the full split, and asked."""

    size: int
    asked: int


@dataclass(frozen=True, kw_only=True)
class TaskManifest:
    """One task: its settings, and every sample it asks, in order.

    `size`: items of the full split. `source`: hub, folder or samples. `missing`: subsets that could not be had, and why.
    """

    settings: dict[str, Any]
    size: int
    source: str
    samples: list[SampleKey]
    groups: dict[str, GroupSize] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a run asks: of which model, in which tasks."""

    schema: int = SCHEMA
    model: ModelLabel
    suite: str = ""
    plugins: list[str] = field(default_factory=list)
    tasks: dict[str, TaskManifest]

    def settings(self) -> dict[str, dict[str, Any]]:
        """Each task's settings, by name."""
        return {name: task.settings for name, task in self.tasks.items()}

    def to_json(self) -> Any:
        """The manifest as JSON values."""
        return _ADAPTER.dump_python(self, mode="json")


_ADAPTER = TypeAdapter(Manifest)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the run in `folder`. Raises `RunError` if there is none, or it is damaged or newer than this program."""
    file = folder / "manifest.json"
    if not file.is_file():
        raise RunError(f"{folder}: not a run directory (no manifest.json); name a folder that `gemma-eval run` wrote")
    value = read_json(file, MEND)
    if schema_of(value, file, SCHEMA, MEND) == 1:
        value = _from_schema_1(value, folder)
    return validated(_ADAPTER, value, file, MEND)


def _from_schema_1(value: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Schema 1 had no model: scores.json, which stands beside the manifest of a finished run, has the same."""
    file = folder / "scores.json"
    scores = read_json(file, MEND) if file.is_file() else None
    if not isinstance(scores, dict) or scores.get("model") is None:
        raise RunError(f"{folder}/manifest.json: has schema 1, which does not name the model; {MEND}")
    return value | {"schema": SCHEMA, "model": scores["model"]}


def united(old: Manifest, new: Manifest, *, same_engine: bool, choosing: Mapping[str, Collection[str]]) -> Manifest:
    """The manifest of a run that is started again: what it asked before stays, and what is new is added.

    A task that now asks more items, or all of its items by other settings, is taken as it is now. One that asks fewer of the same items
    keeps those it had. A task that is not asked this time stays too. `same_engine`: model and engine are those of `old`.
    `choosing`: by task, the settings that choose items, and change neither prompts nor metrics.
    Raises `RunError`, naming the task, where that would lose answers or mix those of two engines.
    """
    absent = [name for name in old.tasks if name not in new.tasks]
    if absent and not same_engine:
        raise RunError(
            f"this run has {', '.join(absent)} from another model or engine, and these settings leave them out; "
            "choose another name with run=NAME, or run all of its tasks again"
        )
    kept = {
        name: _united_task(name, task, new.tasks.get(name, task), same_engine, choosing.get(name, ())) for name, task in old.tasks.items()
    }
    plugins = list(dict.fromkeys([*old.plugins, *new.plugins]))
    suite = old.suite if old.tasks.keys() > new.tasks.keys() else new.suite
    return replace(new, suite=suite, tasks=kept | {name: task for name, task in new.tasks.items() if name not in kept}, plugins=plugins)


def _united_task(name: str, old: TaskManifest, new: TaskManifest, same_engine: bool, choosing: Collection[str]) -> TaskManifest:
    changed = sorted(key for key in old.settings | new.settings if old.settings.get(key) != new.settings.get(key))
    fewer = same_engine and set(new.samples) < set(old.samples)
    if fewer and set(changed) <= set(choosing):
        return old
    if {key.id for key in new.samples} >= {key.id for key in old.samples}:
        return new
    raise RunError(
        f"{name}: this run has {len(old.samples):,} items of it, and these settings ask {len(new.samples):,} that do not contain them "
        f"({', '.join(changed) or 'other data, model or engine'} differ); choose another name with run=NAME"
    )
