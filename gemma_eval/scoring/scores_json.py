"""Scores of a finished run, from its directory alone: no model, no data set."""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf

from gemma_eval.config.selection import weights_label
from gemma_eval.scoring.summary import summarize, with_usage
from gemma_eval.settings import Variant
from gemma_eval.store.run_dir import SCHEMA, RunDir
from gemma_eval.task.chat import other_form
from gemma_eval.task.configured import task_from_settings
from gemma_eval.types import Usage


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
