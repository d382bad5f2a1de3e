"""What a run left behind, read from its directory or from a baseline: one compressed file without any text of a data set.

A baseline keeps the scores and what `compare` and `gate` need of each item: id, subset, prompt hash, item scores, and the choices'
log-likelihoods with the index of the gold one. Clusters, which may be a question's text, are kept as hashes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gemma_eval.errors import RunError
from gemma_eval.store.records import record_from_json, record_to_json
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.base import Task
from gemma_eval.task.configured import configured_tasks
from gemma_eval.types import JSON, GenerateResponse, Record, ScoreResponse

BASELINE_SCHEMA = 1


@dataclass(frozen=True)
class TaskResults:
    """One task of a run. `records`: those that are averaged; `asked`: items of the manifest; `size`: of the full split."""

    task: Task
    records: list[Record]
    answered: int
    asked: int
    size: int
    data: dict[str, Any]  # the data set's provenance, as environment.json has it
    settings: dict[str, Any]
    spent: dict[str, Any]  # tokens and seconds


@dataclass(frozen=True)
class Results:
    """A run's answers and scores. `model`: as in scores.json; `engine`: the fingerprint that every request key holds."""

    name: str
    origin: Path
    model: dict[str, Any]
    engine: dict[str, JSON]
    peak_memory: dict[str, int]
    plugins: list[str]
    tasks: dict[str, TaskResults]
    noise: dict[str, float] = field(default_factory=dict)  # by task: the difference that a repetition may show; baselines alone have it


def load(source: Results | RunDir | Path | str) -> Results:
    """Results of a run directory or baseline file. Raises `RunError` for anything else."""
    if isinstance(source, Results):
        return source
    path = source.path if isinstance(source, RunDir) else Path(source)
    return _from_baseline(path) if path.is_file() else _from_run(RunDir.open(path))


def _from_run(run: RunDir) -> Results:
    scores = run.scores()
    manifest, environment = run.read_json("manifest.json"), run.read_json("environment.json", {})
    usage = run.read_json("usage.json", {})
    tasks = {}
    for name, task in configured_tasks(manifest).items():
        entry, answers = manifest["tasks"][name], run.records(name)
        tasks[name] = TaskResults(
            task=task,
            records=list(task.records_to_average(answers)),
            answered=len(answers),
            asked=len(entry["samples"]),
            size=entry["size"],
            data=environment.get("datasets", {}).get(name, {}),
            settings=entry["settings"],
            spent=usage.get(name, {}),
        )
    peak = scores.get("peak_memory", {})
    return Results(run.name, run.path.resolve(), scores["model"], environment.get("model", {}), peak, manifest["plugins"], tasks)


# -- baselines ----------------------------------------------------------------------------------------------


def save_baseline(results: Results, file: Path) -> None:
    """Write a baseline. The same results give the same bytes."""
    tasks = {
        name: {
            "settings": found.settings,
            "answered": found.answered,
            "asked": found.asked,
            "size": found.size,
            "data": found.data,
            "spent": found.spent,
            "records": [record_to_json(_without_text(record)) for record in found.records],
        }
        for name, found in results.tasks.items()
    }
    content = {
        "baseline": BASELINE_SCHEMA,
        "name": results.name,
        "model": results.model,
        "engine": results.engine,
        "peak_memory": results.peak_memory,
        "noise": results.noise,
        "plugins": results.plugins,
        "tasks": tasks,
    }
    packed = gzip.compress(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), mtime=0)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(packed)


def _from_baseline(file: Path) -> Results:
    try:
        content = json.loads(gzip.decompress(file.read_bytes()))
        assert content["baseline"] == BASELINE_SCHEMA, f"schema {content['baseline']}, not {BASELINE_SCHEMA}"
    except (OSError, EOFError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise RunError(f"{file}: not a baseline ({error}); name a run directory, or a file that `gemma-eval baseline` wrote") from error
    configured = configured_tasks(content)
    tasks = {
        name: TaskResults(
            task=configured[name],
            records=[record_from_json(record) for record in entry["records"]],
            answered=entry["answered"],
            asked=entry["asked"],
            size=entry["size"],
            data=entry["data"],
            settings=entry["settings"],
            spent=entry["spent"],
        )
        for name, entry in content["tasks"].items()
    }
    plain = {key: content[key] for key in ("name", "model", "engine", "peak_memory", "plugins", "noise")}
    return Results(origin=file.resolve(), tasks=tasks, **plain)


def _without_text(record: Record) -> Record:
    """The record without prompt, answer and gold texts, and with a name for its cluster that is none."""
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
    """A cluster's name as a baseline has it. A name that is one already stays."""
    return cluster if cluster.startswith("#") else "#" + hashlib.sha256(cluster.encode()).hexdigest()[:16]


def is_scored_choice(record: Record) -> bool:
    """Whether the record has a choice's log-likelihoods and the index of the gold one."""
    return isinstance(record.response, ScoreResponse) and isinstance(record.target, dict) and isinstance(record.target.get("gold"), int)
