"""Results and samples files in the layout of lm-evaluation-harness 0.4, for tools that read those.

The first argument of a sample is the question without exemplars. `prompt_hash` is this program's own, of the token ids that were sent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gemma_eval.export.frames import Runs, scored_tasks
from gemma_eval.runtime.files import ESCAPED, replace_text, replacing
from gemma_eval.store.documents import to_text
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.scores import PartScores, TaskScores
from gemma_eval.task.base import Generation, Task
from gemma_eval.types import JSON, GenerateResponse, Record

FILTER = "none"  # the harness's name for answers read in one way alone


def write(runs: Runs, out: Path) -> list[str]:
    """Write each run into a folder named after its model."""
    return [file for run in runs.runs for file in _write_run(run, out / _safe(_model_name(run)))]


def _write_run(run: RunDir, folder: Path) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    date = run.date.replace(tzinfo=None).isoformat().replace(":", "-")
    hashes = {}
    for name, task in scored_tasks(run).items():
        file, digest = folder / f"samples_{name}_{date}.jsonl", hashlib.sha256()
        places = {key.id: place for place, key in enumerate(run.keys(name))}
        with replacing(file, errors=ESCAPED) as stream:
            for record in run.records(name):
                sample = _sample(task, record, places[record.id])
                digest.update("".join(sample[f"{part}_hash"] for part in ("doc", "prompt", "target")).encode())
                stream.write(to_text(sample) + "\n")
        hashes[name] = digest.hexdigest()
        yield str(file)
    results = folder / f"results_{date}.json"
    replace_text(results, to_text(_results(run) | {"task_hashes": hashes}, indent=2) + "\n")
    yield str(results)


# -- results ----------------------------------------------------------------------------------------------------


def _results(run: RunDir) -> dict[str, Any]:
    """Tasks with subsets are groups, each subset a task of its own (`mmlu_anatomy`), as in the harness."""
    scores, tasks, environment = run.scores, scored_tasks(run), run.environment
    names = {name: {subset: f"{name}_{subset}" for subset in entry.subsets} for name, entry in scores.tasks.items()}
    results, owner = {}, {}
    for name, entry in scores.tasks.items():
        results[name] = _metrics(name, name, entry)
        owner[name] = name
        for subset, found in entry.subsets.items():
            results[names[name][subset]] = _metrics(names[name][subset], subset, found)
            owner[names[name][subset]] = name
    return {
        "results": results,
        "groups": {name: results[name] for name, subsets in names.items() if subsets},
        "group_subtasks": {name: list(subsets.values()) for name, subsets in names.items()},
        "configs": {name: _config(name, tasks[task], scores.tasks[task]) for name, task in owner.items()},
        "versions": dict.fromkeys(owner, environment.gemma_eval or None),
        "n-shot": {name: scores.tasks[task].num_fewshot for name, task in owner.items()},
        "higher_is_better": {name: dict.fromkeys(tasks[task].metrics, True) for name, task in owner.items()},
        "n-samples": {name: {"original": entry.size, "effective": entry.n} for name, entry in scores.tasks.items()},
        "config": {
            "model": scores.model.backend,
            "model_args": environment.model,
            "model_dtype": scores.model.dtype,
            "limit": max((task.limit for task in tasks.values() if task.limit is not None), default=None),
        },
        "git_hash": environment.git_commit,
        "date": run.date.timestamp(),
        "transformers_version": environment.packages.get("transformers"),
        "model_source": scores.model.backend,
        "model_name": _model_name(run),
        "model_name_sanitized": _safe(_model_name(run)),
        "total_evaluation_time_seconds": str(sum(entry.seconds for entry in scores.tasks.values())),
    }


def _metrics(name: str, alias: str, found: PartScores) -> dict[str, Any]:
    metrics: dict[str, Any] = {"name": name, "alias": alias, "sample_len": found.n}
    for metric, numbers in found.metrics.items():
        for key, value in ((metric, numbers.value), (f"{metric}_stderr", numbers.stderr)):
            metrics[f"{key},{FILTER}"] = "N/A" if value is None else value
    return metrics


def _config(name: str, task: Task, entry: TaskScores) -> dict[str, Any]:
    config: dict[str, Any] = {
        "task": name,
        "dataset_path": task.dataset.repo,
        "dataset_name": task.dataset.config,
        "test_split": task.dataset.split,
        "fewshot_split": task.dataset.fewshot_split,
        "num_fewshot": task.num_fewshot,
        "output_type": "generate_until" if isinstance(task, Generation) else "multiple_choice",
        "metric_list": [{"metric": metric, "higher_is_better": True} for metric in entry.metrics],
        "metadata": {"program": "gemma_eval", "settings": task.settings()},
    }
    if isinstance(task, Generation):
        config["generation_kwargs"] = _generation_settings(task)
    return config


def _generation_settings(task: Generation) -> dict[str, Any]:
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
        "doc_hash": _hash(to_text(doc)),
        "prompt_hash": record.prompt_sha256,
        "target_hash": _hash(target),
        **record.scores,
    }


def _arguments(task: Task, record: Record) -> list[tuple[JSON, JSON]]:
    query = record.fields.get("query", "")
    if isinstance(task, Generation):
        return [(query, _generation_settings(task))]
    choices = record.fields.get("choices", [])
    return [(query, choice) for choice in choices] if isinstance(choices, list) else []


def _target(record: Record) -> str:
    target = record.target
    return str(target["gold"]) if isinstance(target, dict) and "gold" in target else to_text(target)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", ESCAPED)).hexdigest()


def _model_name(run: RunDir) -> str:
    model, checkpoint = run.scores.model, run.environment.model.get("checkpoint")
    repo = checkpoint.get("repo") if isinstance(checkpoint, dict) else None
    return str(repo or f"gemma-3-{model.size}-{model.variant}-{model.weights}")


def _safe(name: str) -> str:
    """A model's name in a path, as the harness writes it."""
    return re.sub(r'[\\/:*?"<>|\[\]]+', "__", name)
