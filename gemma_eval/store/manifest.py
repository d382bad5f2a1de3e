"""`manifest.json`: what a run asks, task by task. It is written before the first answer is computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gemma_eval.errors import RunError
from gemma_eval.store.documents import read_json, schema_of, validated
from gemma_eval.store.records import SampleKey
from gemma_eval.types import ModelLabel

SCHEMA = 2
COMMIT = ("pinned", "revision")  # of a task's dataset
OF_THE_MACHINE = ("sandbox",)  # settings that change no score
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

    def __post_init__(self) -> None:
        ids = Counter(key.id for key in self.samples)
        if len(ids) < len(self.samples):
            raise ValueError(f"it asks sample {ids.most_common(1)[0][0]!r} twice")


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


def united(
    old: Manifest, new: Manifest, *, engine: Sequence[str], choosing: Mapping[str, Collection[str]], renewed: bool = False
) -> Manifest:
    """The manifest of a run that is started again: what it asked before stays, and what is new is added.

    A task that now asks more items is taken as it is now. One that asks fewer of them keeps those it had. A task that is not asked this
    time stays too. `engine`: how model and engine differ from those of `old`, in words. `choosing`: by task, the settings that choose
    items, and change neither prompts nor metrics. `renewed`: the user wants the answers to rows that have changed since.
    Raises `RunError`, naming what differs, where scores of the run would be replaced or mixed with others.
    """
    if engine:
        raise RunError(f"this run is of another model or engine ({'; '.join(engine)}); choose another name with run=NAME")
    kept = {name: _united_task(name, task, new.tasks.get(name, task), choosing.get(name, ()), renewed) for name, task in old.tasks.items()}
    plugins = list(dict.fromkeys([*old.plugins, *new.plugins]))
    suite = old.suite if old.tasks.keys() > new.tasks.keys() else new.suite
    return replace(new, suite=suite, tasks=kept | {name: task for name, task in new.tasks.items() if name not in kept}, plugins=plugins)


def _united_task(name: str, old: TaskManifest, new: TaskManifest, choosing: Collection[str], renewed: bool) -> TaskManifest:
    changed = _changed(old.settings, new.settings)
    before, now = set(old.samples), set(new.samples)
    if changed.keys() <= set(choosing):
        if now < before:
            return old
        if now >= before or (renewed and {key.id for key in now} >= {key.id for key in before}):
            return new
    differ = "; ".join(changed.values()) or "the prompts or the data differ"
    raise RunError(
        f"{name}: this run has {len(old.samples):,} items of it, and these settings ask {len(new.samples):,} whose answers would replace "
        f"or not contain them ({differ}); choose another name with run=NAME"
    )


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """The settings that differ, in words. One that the old run does not know, from a page of another version, shows in the request keys."""
    before, now = _without_commit(old), _without_commit(new)
    return {key: f"{key}={before[key]} then, {now[key]} now" for key in before if key in now and before[key] != now[key]}


def _without_commit(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A task's settings, without the commit of its data: rows are compared by their hash."""
    dataset = settings.get("dataset")
    flat = {f"dataset.{key}": value for key, value in dataset.items() if key not in COMMIT} if isinstance(dataset, dict) else {}
    return {key: value for key, value in settings.items() if key not in ("dataset", *OF_THE_MACHINE)} | flat
