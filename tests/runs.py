"""Run directories made of chosen answers, as `gemma-eval run` leaves them: for what reads runs, without a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from random import Random
from typing import Any

from gemma_eval.card import CARD_TABLES, published
from gemma_eval.scoring.summary import summarize
from gemma_eval.stats.intervals import wilson
from gemma_eval.store.environment import Environment
from gemma_eval.store.manifest import Manifest, TaskManifest
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.scores import GroupScores, MetricScore, PartScores, Readers, Scores, TaskScores, Tokens
from gemma_eval.store.usage import Spent
from gemma_eval.task.registry import registry
from gemma_eval.types import JSON, Finish, GenerateResponse, ModelLabel, Provenance, Record, ScoreResponse, Usage

STOP: Finish = "stop"
MODEL = ModelLabel(size="270m", variant="pt", weights="bf16", backend="transformers", dtype="bfloat16")


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
    run = RunDir(path)
    tasks: dict[str, TaskManifest] = {}
    provenance: dict[str, Provenance] = {}
    scores: dict[str, TaskScores] = {}
    for name, found in records.items():
        page = replace(registry()[name](), **(settings or {}).get(name, {}))
        samples = [SampleKey(record.id, record.key) for record in found]
        tasks[name] = TaskManifest(settings=page.settings(), size=10_000, source="folder", samples=samples)
        provenance[name] = Provenance("folder", page.dataset.repo, page.dataset.split, rows_sha256="rows")
        with run.append(name) as appender:
            for record in found:
                appender.write(record)
        tokens = Tokens.of(Usage(10, 1000))
        scores[name] = replace(
            summarize(page, found, 10_000), source="folder", undisclosed="", asked=len(found), tokens=tokens, seconds=2.0
        )
    label = replace(MODEL, **(model or {}))
    fingerprint = {"checkpoint": {"repo": "x"}, "dtype": "bfloat16"} | engine
    run.write_json("manifest.json", Manifest(model=label, suite="some", tasks=tasks).to_json())
    run.write_json("environment.json", Environment(model=fingerprint, datasets=provenance).to_json())
    run.write_json("usage.json", {name: Spent(10, 1000, 0, 2.0, timed=True).to_json() for name in records})
    run.write_json("scores.json", Scores(run=run.name, model=label, peak_memory={"host": 2**30}, tasks=scores).to_json())
    return run


def card_scores(size: str, name: str = "", *, variant: str = "pt", seed: int = 0, **model: Any) -> Scores:
    """Scores of a run of the whole card, details included, scattered around the published numbers. Sizes without one are halfway."""
    draw, numbers = Random(f"{size} {variant} {seed}"), published(variant)
    tasks: dict[str, TaskScores] = {}
    for table in sorted((table for table in CARD_TABLES if table.variant == variant), key=lambda table: size not in table.sizes):
        for row in (row for row in table.rows if row.task and not row.parts):
            number = numbers.get((table.key, row.benchmark, size))
            made = _made_up(draw, row.task, number.value / row.scale if number else 50 / row.scale, 100 / row.scale)
            if row.group:
                whole = tasks.setdefault(row.task, made)
                group = GroupScores(**{field.name: getattr(made, field.name) for field in fields(GroupScores)})
                parts = {f"{row.group}/{part}": PartScores(n=made.n, metrics=made.metrics) for part in ("vt", "qa_1")}
                tasks[row.task] = replace(whole, groups=whole.groups | {row.group: group}, subsets=whole.subsets | parts)
            else:
                tasks.setdefault(row.task, made)
    for task, count in (("mmlu", 57), ("bbh", 23), ("flores", 40)):
        if task in tasks:
            top = 1.0 if task != "flores" else 100.0
            many = [_made_up(draw, task, tasks[task].score.value or 0.0, top) for _ in range(count)]
            subsets = {f"a_subset_with_a_long_name_{i}": PartScores(n=one.n, metrics=one.metrics) for i, one in enumerate(many)}
            tasks[task] = replace(tasks[task], subsets=subsets)
    return Scores(run=name or f"{size}-{variant}", model=replace(MODEL, size=size, variant=variant, **model), tasks=tasks)


def _made_up(draw: Random, task: str, around: float, top: float) -> TaskScores:
    n = draw.randint(200, 4000)
    share = min(max(around / top + draw.gauss(0, 0.02), 0.01), 0.99)
    low, high = wilson(share, n)
    metric = MetricScore(share * top, (high - low) / 3.92 * top, (low * top, high * top), n)
    unparsed, empty, truncated, dropped = (draw.choice([0, 0, draw.randint(1, n // 10)]) for _ in range(4))
    return TaskScores(
        primary="score",
        n=n,
        size=n + draw.choice([0, 500]),
        asked=n,
        metrics={"score": metric},
        source="folder",
        tokens=Tokens.of(Usage(n * 900, n * draw.randint(20, 700), n * 30)),
        seconds=n * draw.uniform(0.01, 2),
        extraction_failures=unparsed,
        empty=empty,
        truncated=truncated,
        dropped_shots=dropped,
        readers=Readers(primary=n - unparsed, diagnostic=unparsed // 2, none=unparsed - unparsed // 2),
        undisclosed=f"The prompt of {task} is not stated.",
    )


def write_card_run(path: Path, size: str, **chosen: Any) -> RunDir:
    """A run directory with such scores and no records."""
    run = RunDir(path)
    scores = card_scores(size, run.name, **chosen)
    run.write_json("manifest.json", Manifest(model=scores.model, tasks={}).to_json())
    run.write_json("scores.json", scores.to_json())
    return run
