"""Scores of a finished run, from its directory alone: no model, no data set."""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf

from gemma_eval.config import weights_label
from gemma_eval.errors import RunError
from gemma_eval.parts import merge_parts
from gemma_eval.scorer import Scorer
from gemma_eval.settings import Variant
from gemma_eval.store import SCHEMA, Entry, RunDir
from gemma_eval.summary import configured_tasks, summarize, task_from_settings, with_usage
from gemma_eval.task import Task
from gemma_eval.types import Record, Usage


def write_scores(directory: RunDir) -> dict[str, Any]:
    """Write scores.json from manifest, records and usage."""
    manifest = directory.read_json("manifest.json")
    config = OmegaConf.load(directory.path / "config.yaml")
    usage = directory.read_json("usage.json", {})
    tasks: dict[str, Any] = {}
    for name, entry in manifest["tasks"].items():
        records = directory.records(name)
        if not records:
            continue
        task = task_from_settings(name, entry["settings"])
        spent = usage.get(name, {"prompt": 0, "computed": 0, "generated": 0, "seconds": 0.0})
        tokens = Usage(spent["prompt"], spent["computed"], spent["generated"])
        summary = with_usage(summarize(task, records, entry["size"]), tokens, spent["seconds"])
        for group, found in summary.get("groups", {}).items():
            found |= entry["groups"][group]
        tasks[name] = summary | {
            "asked": len(entry["samples"]),
            "missing": entry.get("missing", {}),
            "methods": spent.get("methods", {}),
            "source": entry["source"],
            "num_fewshot": task.num_fewshot,
            "changed": task.changed(),
            "comparable": task.comparable,
            "undisclosed": task.undisclosed,
            "warnings": [*other_form(task, Variant(config.variant)), *task.warnings()],
        }
    model = {
        "size": config.model.size,
        "variant": config.variant,
        "weights": weights_label(config),
        "backend": config.backend.name,
        "dtype": config.backend.get("dtype"),
    }
    scores = {
        "schema": SCHEMA,
        "run": directory.name,
        "model": model,
        "peak_memory": directory.read_json("memory.json", {}),
        "tasks": tasks,
    }
    directory.write_json("scores.json", scores)
    return scores


def other_form(task: Task, variant: Variant) -> list[str]:
    """What a reader must know where form and variant do not match: either may be meant, but neither is what the card states."""
    if task.chat and variant is Variant.pt:
        return ["chat form without a chat template"]
    return ["completion form in a chat turn"] if variant is Variant.it and not task.chat else []


def rescore(directory: RunDir) -> int:
    """Score a finished run's answers again, with today's metrics and without a model. Returns how many records changed."""
    tasks = configured_tasks(directory.read_json("manifest.json"))
    for task in tasks.values():
        task.check_scorable()
    with directory.lock():
        merge_parts(directory)
        found = [_rescore_task(directory, name, task) for name, task in tasks.items()]
        write_scores(directory)
    if failed := [why for _, failures in found for why in failures.values()]:
        raise RunError("\n".join(failed))
    return sum(changed for changed, _ in found)


def _rescore_task(directory: RunDir, name: str, task: Task) -> tuple[int, dict[str, str]]:
    """How many records changed, and what could not be scored; that keeps its record."""
    old = {Entry(record.id, record.key): record for record in directory.answers(name)}
    new: list[str] = []

    def done(task: Task, record: Record) -> None:
        if record.scores and record != old[Entry(record.id, record.key)]:
            appender.write(record)
            new.append(record.id)

    with directory.append(name) as appender, Scorer(done) as scorer:
        for record in old.values():
            scorer.put(task, record)
    return len(new), scorer.failed
