"""lm-evaluation-harness's results and samples files (the layout of its version 0.4), so that tools made for them read ours.

The samples' first argument is the question without exemplars, and `prompt_hash` is this program's, of the token ids that were sent.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gemma_eval.export.frames import Run, Runs
from gemma_eval.task.base import Generation, Task
from gemma_eval.types import JSON, GenerateResponse, Record

FILTER = "none"  # the harness's name for answers read in one way alone


def write(runs: Runs, out: Path) -> list[str]:
    return [file for run in runs.runs for file in _write_run(run, out / _safe(_model_name(run)))]


def _write_run(run: Run, folder: Path) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    date = run.directory.date.replace(tzinfo=None).isoformat().replace(":", "-")
    hashes = {}
    for name, task in run.tasks.items():
        file, digest = folder / f"samples_{name}_{date}.jsonl", hashlib.sha256()
        places = {entry.id: place for place, entry in enumerate(run.directory.manifest(name))}
        with file.open("w", encoding="utf-8") as stream:
            for record in run.directory.records(name):
                sample = _sample(task, record, places[record.id])
                digest.update("".join(sample[f"{part}_hash"] for part in ("doc", "prompt", "target")).encode())
                stream.write(json.dumps(sample, ensure_ascii=False) + "\n")
        hashes[name] = digest.hexdigest()
        yield str(file)
    results = folder / f"results_{date}.json"
    results.write_text(json.dumps(_results(run) | {"task_hashes": hashes}, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    yield str(results)


# -- results ----------------------------------------------------------------------------------------------------


def _results(run: Run) -> dict[str, Any]:
    """Tasks with subsets are groups, each subset a task of its own (`mmlu_anatomy`), as in the harness."""
    entries = run.content["tasks"]
    names = {name: {subset: f"{name}_{subset}" for subset in entry.get("subsets", {})} for name, entry in entries.items()}
    results, owner = {}, {}
    for name, entry in entries.items():
        results[name] = _metrics(name, name, entry)
        owner[name] = name
        for subset, found in entry.get("subsets", {}).items():
            results[names[name][subset]] = _metrics(names[name][subset], subset, found)
            owner[names[name][subset]] = name
    model, environment, model_name = run.content["model"], run.environment, _model_name(run)
    return {
        "results": results,
        "groups": {name: results[name] for name, subsets in names.items() if subsets},
        "group_subtasks": {name: list(subsets.values()) for name, subsets in names.items()},
        "configs": {name: _config(name, run.tasks[task], entries[task]) for name, task in owner.items()},
        "versions": dict.fromkeys(owner, environment.get("gemma_eval")),
        "n-shot": {name: entries[task]["num_fewshot"] for name, task in owner.items()},
        "higher_is_better": {name: dict.fromkeys(run.tasks[task].metrics, True) for name, task in owner.items()},
        "n-samples": {name: {"original": entry["size"], "effective": entry["n"]} for name, entry in entries.items()},
        "config": {
            "model": model["backend"],
            "model_args": environment.get("model", {}),
            "model_dtype": model["dtype"],
            "limit": max((task.limit for task in run.tasks.values() if task.limit is not None), default=None),
        },
        "git_hash": environment.get("git_commit"),
        "date": run.directory.date.timestamp(),
        "transformers_version": environment.get("packages", {}).get("transformers"),
        "model_source": model["backend"],
        "model_name": model_name,
        "model_name_sanitized": _safe(model_name),
        "total_evaluation_time_seconds": str(sum(entry["seconds"] for entry in entries.values())),
    }


def _metrics(name: str, alias: str, found: dict[str, Any]) -> dict[str, Any]:
    metrics: dict[str, Any] = {"name": name, "alias": alias, "sample_len": found["n"]}
    for metric, numbers in found["metrics"].items():
        for key, value in ((metric, numbers["value"]), (f"{metric}_stderr", numbers["stderr"])):
            metrics[f"{key},{FILTER}"] = "N/A" if value is None else value
    return metrics


def _config(name: str, task: Task, entry: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "task": name,
        "dataset_path": task.dataset.repo,
        "dataset_name": task.dataset.config,
        "test_split": task.dataset.split,
        "fewshot_split": task.dataset.fewshot_split,
        "num_fewshot": task.num_fewshot,
        "output_type": "generate_until" if isinstance(task, Generation) else "multiple_choice",
        "metric_list": [{"metric": metric, "higher_is_better": True} for metric in entry["metrics"]],
        "metadata": {"program": "gemma_eval", "settings": task.settings()},
    }
    if isinstance(task, Generation):
        config["generation_kwargs"] = _sampling(task)
    return config


def _sampling(task: Generation) -> dict[str, Any]:
    return {"until": list(task.stop), "max_gen_toks": task.max_tokens, "temperature": task.temperature, "do_sample": task.temperature > 0}


# -- samples ----------------------------------------------------------------------------------------------------


def _sample(task: Task, record: Record, place: int) -> dict[str, Any]:
    doc = {"id": record.id, "subset": record.subset, **record.fields}
    target = _target(record)
    response = record.response
    if isinstance(response, GenerateResponse):
        resps: list[Any] = [list(response.texts)]
        filtered: list[Any] = [record.extracted if record.extracted is not None else "[invalid]"]
    else:
        filtered = [[str(value), str(greedy)] for value, greedy in zip(response.logprobs, response.greedy, strict=True)]
        resps = [[answer] for answer in filtered]
    return {
        "doc_id": place,
        "doc": doc,
        "target": target,
        "arguments": {
            f"gen_args_{i}": {f"arg_{j}": part for j, part in enumerate(pair)} for i, pair in enumerate(_arguments(task, record))
        },
        "resps": resps,
        "filtered_resps": filtered,
        "filter": FILTER,
        "metrics": list(record.scores),
        "doc_hash": _hash(json.dumps(doc, ensure_ascii=False)),
        "prompt_hash": record.prompt_sha256,
        "target_hash": _hash(target),
        **record.scores,
    }


def _arguments(task: Task, record: Record) -> list[tuple[JSON, JSON]]:
    query = record.fields.get("query", "")
    if isinstance(task, Generation):
        return [(query, _sampling(task))]
    choices = record.fields.get("choices", [])
    return [(query, choice) for choice in choices] if isinstance(choices, list) else []


def _target(record: Record) -> str:
    target = record.target
    return str(target["gold"]) if isinstance(target, dict) and "gold" in target else json.dumps(target, ensure_ascii=False)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _model_name(run: Run) -> str:
    model = run.content["model"]
    repo = run.environment.get("model", {}).get("checkpoint", {}).get("repo")
    return str(repo or f"gemma-3-{model['size']}-{model['variant']}-{model['weights']}")


def _safe(name: str) -> str:
    """As the harness writes a model's name into a path."""
    return re.sub(r'[\\/:*?"<>|\[\]]+', "__", name)
