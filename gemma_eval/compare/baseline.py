"""Baselines: a run in one compressed file, without any text of a data set.

A baseline keeps the scores and what `compare` and `gate` need of each item: id, subset, prompt hash, item scores, and the choices'
log-likelihoods with the index of the gold one. Clusters, which may be a question's text, are kept as hashes.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gemma_eval.compare.results import Results, TaskResults
from gemma_eval.errors import RunError
from gemma_eval.runtime.disk import naming
from gemma_eval.store.documents import parsed, refuse_newer, to_text, validated
from gemma_eval.store.records import record_from_json, record_to_json, sound
from gemma_eval.store.usage import Spent
from gemma_eval.task.base import Task
from gemma_eval.task.configured import configured_tasks
from gemma_eval.types import JSON, GenerateResponse, ModelLabel, Provenance, Record

SCHEMA = 1
MEND = "name a run directory, or a file that `gemma-eval baseline` wrote"


@dataclass(frozen=True, kw_only=True)
class _Task:
    """One task, as the file has it."""

    settings: dict[str, Any]
    answered: int
    asked: int
    size: int
    data: Provenance
    spent: Spent
    records: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class _Baseline:
    """The file's content."""

    name: str
    model: ModelLabel
    engine: dict[str, Any]
    plugins: list[str]
    tasks: dict[str, _Task]
    peak_memory: dict[str, int]
    noise: dict[str, float]  # empty if it was not measured; a file without it is damaged, and would judge otherwise
    baseline: int = SCHEMA


_ADAPTER = TypeAdapter(_Baseline)


def save_baseline(results: Results, file: Path) -> None:
    """Write a baseline. The same results give the same bytes."""
    tasks = {
        name: _Task(
            settings=found.settings,
            answered=found.answered,
            asked=found.asked,
            size=found.size,
            data=found.data,
            spent=found.spent,
            records=[record_to_json(_without_text(record)) for record in found.records],
        )
        for name, found in results.tasks.items()
    }
    content = _Baseline(
        name=results.name,
        model=results.model,
        engine=results.engine,
        plugins=results.plugins,
        tasks=tasks,
        peak_memory=results.peak_memory,
        noise=results.noise,
    )
    text = to_text(_ADAPTER.dump_python(content, mode="json"), compact=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    with naming(file):
        file.write_bytes(gzip.compress(text.encode("utf-8", "surrogatepass"), mtime=0))


def read_baseline(file: Path) -> Results:
    """The results that a baseline file holds. Raises `RunError`, naming the file, for any other file."""
    try:
        value = parsed(gzip.decompress(file.read_bytes()))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise RunError(f"{file}: not a baseline ({error}); {MEND}") from error
    refuse_newer(value, file, SCHEMA)
    schema = value.get("baseline") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise RunError(f"{file}: not a baseline that this version reads (schema {schema}, not {SCHEMA}); {MEND}")
    content = validated(_ADAPTER, value, file, MEND)
    configured = configured_tasks({name: task.settings for name, task in content.tasks.items()}, content.plugins)
    tasks = {name: _task_results(file, name, configured[name], task) for name, task in content.tasks.items()}
    return Results(content.name, file.resolve(), content.model, content.engine, content.peak_memory, content.plugins, tasks, content.noise)


def _task_results(file: Path, name: str, task: Task, found: _Task) -> TaskResults:
    try:
        records = [record_from_json(record) for record in found.records]
    except ValueError as error:
        raise RunError(f"{file}: damaged: a record of {name} ({error}); {MEND}") from error
    ids = Counter(record.id for record in records)
    if len(ids) < len(records):
        raise RunError(f"{file}: damaged: {name} has item {ids.most_common(1)[0][0]!r} twice; {MEND}")
    if not all(sound(record) is record and record.scores for record in records):
        raise RunError(f"{file}: damaged: an item of {name} has no score that is a finite number; {MEND}")
    return TaskResults(
        task=task,
        records=records,
        answered=found.answered,
        asked=found.asked,
        size=found.size,
        data=found.data,
        settings=found.settings,
        spent=found.spent,
    )


def _without_text(record: Record) -> Record:
    """The record without prompt, answer and gold texts, and with a hash for its cluster."""
    response = record.response
    if isinstance(response, GenerateResponse):
        response = replace(response, texts=("",) * len(response.texts))
    else:
        response = replace(response, logprobs=tuple(round(value, 6) for value in response.logprobs))
    return replace(
        record,
        cluster=anonymous(record.cluster),
        key="",
        response=response,
        target=dict(_without_strings(record.target)),
        extracted=None if record.extracted is None else "",
        fields={},
    )


def _without_strings(target: JSON) -> Iterator[tuple[str, JSON]]:
    """The numbers of a target: the gold choice's index and the choices' lengths."""
    if isinstance(target, dict):
        for key, value in target.items():
            if isinstance(value, int | float) or (isinstance(value, list) and all(isinstance(one, int | float) for one in value)):
                yield key, value


def anonymous(cluster: str) -> str:
    """A cluster's name as a baseline has it: a hash. One that is a hash already stays."""
    return cluster if cluster.startswith("#") else "#" + hashlib.sha256(cluster.encode()).hexdigest()[:16]
