"""Finished runs as tidy pandas frames, which need no model, no data set and no torch: see `gemma_eval.export`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_eval.card import CARD_TABLES, CardRow, Published, published
from gemma_eval.card.verdict import group_scores, verdict
from gemma_eval.compare.frame import answer, item
from gemma_eval.errors import RunError
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.scores import MetricScore, Scores, TaskScores
from gemma_eval.task.base import Task
from gemma_eval.task.configured import configured_tasks
from gemma_eval.types import GenerateResponse, ModelLabel, Record, ScoreResponse

if TYPE_CHECKING:
    import pandas as pd


MODEL = ["model", "variant", "weights", "backend", "dtype"]

SCORE_COLUMNS = [
    "run", *MODEL, "task", "group", "subset", "average", "metric", "primary", "value", "stderr", "low", "high", "clusters", "n", "size",
    "benchmark", "published", "verdict",
]  # fmt: skip

TASK_COLUMNS = [
    "run", *MODEL, "task", "num_fewshot", "source", "n", "asked", "size", "extraction_failures", "empty", "truncated", "dropped_shots",
    "prompt_tokens", "computed_tokens", "generated_tokens", "seconds",
]  # fmt: skip

RECORD_COLUMNS = [
    "run", "task", "subset", "id", "cluster", "prompt_sha256", "key", "metric", "score", "scores", "extracted", "answer", "target",
    "logprobs", "lengths", "greedy", "texts", "finish", "tokens", "dropped_shots", "fields",
]  # fmt: skip


class Runs:
    """Several runs in one set of frames. Values, published ones too, are in the unit of scores.json. What does not apply is missing."""

    def __init__(self, runs: Sequence[RunDir]) -> None:
        names = [run.scores.run for run in runs]
        if twice := {name for name in names if names.count(name) > 1}:
            raise RunError(f"two runs are called {min(twice)!r}, so their rows could not be told apart; rename one's folder and rescore it")
        self.runs = list(runs)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row a run, task, part of the task and metric.

        Parts are whole tasks (`group` and `subset` are empty), groups of subsets, and subsets. A whole task may have two averages over
        its subsets; the one that its benchmark states comes first and has the card's verdict.
        """
        return _frame(chain.from_iterable(_score_rows(run.scores) for run in self.runs), SCORE_COLUMNS)

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """One row a run and task: items, failures, tokens, seconds."""
        return _frame(chain.from_iterable(_task_rows(run.scores) for run in self.runs), TASK_COLUMNS)

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row an item of a run, read when first wanted. `score` is the item's own on the primary metric, and missing for a corpus
        metric. `answer` is the index of the choice picked, or the first text."""
        return _frame((row for run in self.runs for task in scored_tasks(run).values() for row in record_rows(run, task)), RECORD_COLUMNS)


def load(paths: Path | str | Sequence[Path | str]) -> Runs:
    """The runs in these directories. Raises `RunError` for one that is not scored."""
    runs = [RunDir.open(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    for run in runs:
        _ = run.scores
    return Runs(runs)


def scored_tasks(run: RunDir) -> dict[str, Task]:
    """The tasks that have scores, as they were configured."""
    settings = {name: task for name, task in run.manifest.settings().items() if name in run.scores.tasks}
    return configured_tasks(settings, run.manifest.plugins)


def _frame(rows: Iterator[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=columns)


# -- scores -----------------------------------------------------------------------------------------------------


def _model(scores: Scores) -> dict[str, Any]:
    model = asdict(scores.model)
    return {"run": scores.run, "model": model.pop("size"), **model}


def _score_rows(scores: Scores) -> Iterator[dict[str, Any]]:
    for name, task in scores.tasks.items():
        for part in _parts(scores, name, task):
            for metric, found in part.metrics.items():
                primary = metric == task.primary
                yield {
                    **_model(scores),
                    "task": name,
                    **dict.fromkeys(["group", "subset", "average"], ""),
                    **part.columns,
                    "metric": metric,
                    "primary": primary,
                    "value": found.value,
                    "stderr": found.stderr,
                    "low": found.low,
                    "high": found.high,
                    "clusters": found.clusters,
                    "n": part.n,
                    "size": part.size,
                    **(part.card if primary else {}),
                }


@dataclass(frozen=True)
class _Part:
    """A task, or a part of it, with the columns that name the part and its place on the card."""

    columns: dict[str, str]
    metrics: dict[str, MetricScore]
    n: int
    size: int | None = None
    card: dict[str, Any] = field(default_factory=dict)


def _parts(scores: Scores, name: str, task: TaskScores) -> Iterator[_Part]:
    """The whole task, its other average, groups and subsets."""
    yield _Part({"average": task.average or ""}, task.metrics, task.n, task.size, _on_card(scores, name, task))
    if task.other_average:
        average, metrics = task.other_average
        yield _Part({"average": average}, metrics, task.n, task.size)
    for group, found in task.groups.items():
        yield _Part({"group": group}, found.metrics, found.n, found.size, _on_card(scores, name, task, group))
    for subset, part in task.subsets.items():
        yield _Part({"subset": subset}, part.metrics, part.n)


def _on_card(scores: Scores, name: str, task: TaskScores, group: str = "") -> dict[str, Any]:
    """The card's row for a task, or for a group of its subsets: name, published value in the score's own unit, verdict."""
    rows = list(_card_rows(scores.model, name, group))
    measured = group_scores(task, group) if group else task
    if not rows or measured is None:
        return {}
    row, number = next((found for found in rows if found[1]), rows[0])
    return {
        "benchmark": row.benchmark,
        "published": float(Decimal(number.text) / Decimal(row.scale)) if number else None,
        "verdict": verdict(row, number, measured).value,
    }


def _card_rows(model: ModelLabel, task: str, group: str) -> Iterator[tuple[CardRow, Published | None]]:
    numbers = published(model.variant)
    for table in CARD_TABLES:
        if table.variant == model.variant:
            for row in table.rows:
                if (row.task, row.group) == (task, group) and not row.parts:
                    yield row, numbers.get((table.key, row.benchmark, model.size))


def _task_rows(scores: Scores) -> Iterator[dict[str, Any]]:
    for name, task in scores.tasks.items():
        values = asdict(task)
        tokens = {f"{kind}_tokens": values["tokens"][kind] for kind in ("prompt", "computed", "generated")}
        yield _model(scores) | {"task": name} | {column: values[column] for column in TASK_COLUMNS if column in values} | tokens


# -- records ----------------------------------------------------------------------------------------------------


def record_rows(run: RunDir, task: Task) -> Iterator[dict[str, Any]]:
    """The scored items of one task."""
    return ({"run": run.scores.run} | _record_row(task, record) for record in run.records(task.name))


def _record_row(task: Task, record: Record) -> dict[str, Any]:
    primary = record.scores.get(task.metrics[0])
    return {
        **item(task.name, record),
        "key": record.key,
        "metric": task.metrics[0],
        "score": None if isinstance(primary, list) else primary,
        "scores": dict(record.scores),
        "extracted": record.extracted,
        "answer": answer(task, record),
        "target": record.target,
        **_response(record.response),
        "dropped_shots": record.dropped_shots,
        "fields": record.fields,
    }


def _response(response: ScoreResponse | GenerateResponse) -> dict[str, Any]:
    if isinstance(response, ScoreResponse):
        return {"logprobs": list(response.logprobs), "lengths": list(response.lengths), "greedy": list(response.greedy)}
    return {"texts": list(response.texts), "finish": list(response.finish), "tokens": list(response.tokens)}
