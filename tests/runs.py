"""Run directories made of chosen answers, as `gemma-eval run` leaves them: for what reads runs, without a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from gemma_eval.card import CARD_TABLES, published
from gemma_eval.scoring.summary import summarize, with_usage
from gemma_eval.stats.intervals import wilson
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.registry import registry
from gemma_eval.types import JSON, Finish, GenerateResponse, Record, ScoreResponse, Usage

STOP: Finish = "stop"
PROTOCOL = {"source": "folder", "num_fewshot": 0, "changed": {}, "missing": {}, "warnings": [], "comparable": True, "undisclosed": ""}
MODEL = {"size": "270m", "variant": "pt", "weights": "bf16", "backend": "transformers", "dtype": "bfloat16"}

RUN_CONFIG = {
    "model": {"size": "4b", "path": None},
    "variant": "pt",
    "weights": {"name": "bf16"},
    "backend": {"name": "transformers", "dtype": "bfloat16"},
    "suite": {"name": "some"},
}
"""What config.yaml must say for a run's scores to be written."""


def choice(task: str, id: str, gaps: Sequence[float], *, cluster: str = "", prompt: str = "", gold: int = 0) -> Record:
    """A multiple-choice record whose choices are all ten characters long."""
    page = registry()[task]()
    response = ScoreResponse(tuple(gaps), (3,) * len(gaps), (False,) * len(gaps))
    target = {"gold": gold, "characters": [10] * len(gaps)}
    verdict = page.score(target, response)  # type: ignore[arg-type]
    return Record(id, "", cluster or id, prompt or f"prompt of {id}", f"key {task} {id}", response, target, verdict.scores)  # type: ignore[arg-type]


def generated(task: str, id: str, text: str, golds: JSON, *, subset: str = "", cluster: str = "") -> Record:
    page = registry()[task]()
    response = GenerateResponse((text,), (STOP,), (3,))
    verdict = page.score(golds, response)
    return Record(
        id, subset, cluster or id, f"prompt of {id}", f"key {task} {id}", response, golds, verdict.scores, verdict.extracted
    )  # fmt: skip


def answers(rights: Sequence[bool], task: str = "piqa", margin: Callable[[int], float] = lambda i: 1.0) -> list[Record]:
    """Two-choice records, right or wrong by `margin(i)` nats."""
    return [choice(task, str(i), (-5.0, -5.0 - margin(i)) if right else (-5.0 - margin(i), -5.0)) for i, right in enumerate(rights)]


def write_run(
    path: Path,
    records: dict[str, list[Record]],
    *,
    settings: dict[str, dict[str, Any]] | None = None,
    model: dict[str, Any] | None = None,
    **engine: Any,
) -> RunDir:
    """A finished run. `settings`: changed settings by task; `model`: as in scores.json; `engine`: changed facts of its fingerprint."""
    run, tasks, provenance, summaries = RunDir(path), {}, {}, {}
    for name, found in records.items():
        page = registry()[name]()
        for key, value in (settings or {}).get(name, {}).items():
            setattr(page, key, value)
        samples = [[record.id, record.key] for record in found]
        tasks[name] = {"settings": page.settings(), "size": 10_000, "source": "folder", "samples": samples}
        provenance[name] = {"source": "folder", "repo": page.dataset.repo, "split": page.dataset.split, "rows_sha256": "rows"}
        with run.append(name) as appender:
            for record in found:
                appender.write(record)
        entry = with_usage(summarize(page, found, 10_000), Usage(10, 1000), 2.0)
        summaries[name] = entry | PROTOCOL | {"asked": len(found), "num_fewshot": page.num_fewshot, "changed": page.changed()}
    model = MODEL | (model or {})
    run.write_json("manifest.json", {"schema": 1, "plugins": [], "tasks": tasks})
    run.write_json("environment.json", {"model": {"checkpoint": {"repo": "x"}, "dtype": "bfloat16"} | engine, "datasets": provenance})
    run.write_json("usage.json", {name: {"prompt": 10, "computed": 1000, "generated": 0, "seconds": 2.0} for name in records})
    run.write_json("scores.json", {"schema": 1, "run": run.name, "model": model, "peak_memory": {"host": 2**30}, "tasks": summaries})
    return run


def card_scores(size: str, name: str = "", *, variant: str = "pt", seed: int = 0, **model: Any) -> dict[str, Any]:
    """Scores of a run of the whole card, details included, scattered around the published numbers. Sizes without one are halfway."""
    draw, numbers = Random(f"{size} {variant} {seed}"), published(variant)
    tasks: dict[str, Any] = {}
    for table in sorted((table for table in CARD_TABLES if table.variant == variant), key=lambda table: size not in table.sizes):
        for row in (row for row in table.rows if row.task and not row.parts):
            number = numbers.get((table.key, row.benchmark, size))
            entry = _made_up(draw, row.task, number.value / row.scale if number else 50 / row.scale, 100 / row.scale)
            if row.group:
                whole = tasks.setdefault(row.task, entry | {"groups": {}, "subsets": {}})
                whole["groups"][row.group] = entry
                whole["subsets"] |= {f"{row.group}/{part}": {key: entry[key] for key in ("n", "metrics")} for part in ("vt", "qa_1")}
            else:
                tasks.setdefault(row.task, entry)
    for task, count in (("mmlu", 57), ("bbh", 23), ("flores", 40)):
        if task in tasks:
            top = 1.0 if task != "flores" else 100.0
            made = [_made_up(draw, task, tasks[task]["metrics"][tasks[task]["primary"]]["value"], top) for _ in range(count)]
            tasks[task]["subsets"] = {
                f"a_subset_with_a_long_name_{i}": {key: one[key] for key in ("n", "metrics")} for i, one in enumerate(made)
            }
    return {"schema": 1, "run": name or f"{size}-{variant}", "model": MODEL | {"size": size, "variant": variant} | model, "tasks": tasks}


def _made_up(draw: Random, task: str, around: float, top: float) -> dict[str, Any]:
    n = draw.randint(200, 4000)
    share = min(max(around / top + draw.gauss(0, 0.02), 0.01), 0.99)
    low, high = wilson(share, n)
    metric = {"value": share * top, "stderr": (high - low) / 3.92 * top, "ci95": [low * top, high * top], "clusters": n}
    failures = {
        key: draw.choice([0, 0, draw.randint(1, n // 10)]) for key in ("extraction_failures", "empty", "truncated", "dropped_shots")
    }
    spent = Usage(n * 900, n * draw.randint(20, 700), n * 30)
    summary = {"primary": "score", "average": None, "n": n, "size": n + draw.choice([0, 500]), "metrics": {"score": metric}}
    return (
        with_usage(summary, spent, n * draw.uniform(0.01, 2))
        | failures
        | PROTOCOL
        | {"asked": n, "undisclosed": f"The prompt of {task} is not stated."}
    )


def write_card_run(path: Path, size: str, **chosen: Any) -> RunDir:
    """A run directory with such scores and no records."""
    run = RunDir(path)
    run.write_json("manifest.json", {"schema": 1, "plugins": [], "tasks": {}})
    run.write_json("scores.json", card_scores(size, run.name, **chosen))
    return run
