"""Run directories made of chosen answers, as `gemma-eval run` leaves them: for what reads runs, without a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gemma_eval.store import RunDir
from gemma_eval.task import registry
from gemma_eval.types import JSON, Finish, GenerateResponse, Record, ScoreResponse

STOP: Finish = "stop"

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


def write_run(path: Path, records: dict[str, list[Record]], *, settings: dict[str, dict[str, Any]] | None = None, **engine: Any) -> RunDir:
    """A finished run. `settings`: changed settings by task; `engine`: changed facts of its fingerprint."""
    run, tasks, provenance = RunDir(path), {}, {}
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
    model = {"size": "270m", "variant": "pt", "weights": "bf16", "backend": "transformers", "dtype": "bfloat16"}
    run.write_json("manifest.json", {"schema": 1, "plugins": [], "tasks": tasks})
    run.write_json("environment.json", {"model": {"checkpoint": {"repo": "x"}, "dtype": "bfloat16"} | engine, "datasets": provenance})
    run.write_json("usage.json", {name: {"prompt": 10, "computed": 1000, "generated": 0, "seconds": 2.0} for name in records})
    run.write_json("scores.json", {"schema": 1, "run": run.name, "model": model, "peak_memory": {"host": 2**30}, "tasks": {}})
    return run
