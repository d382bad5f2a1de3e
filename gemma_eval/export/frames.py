"""Finished runs as tidy pandas frames: no model, no data set, no torch.

from gemma_eval.export import frames
runs = frames.load("results/a")    # or several: frames.load(["results/a", "results/b"])
runs.scores     # one row a run, task, part of it and metric: value, interval, published value, verdict
runs.tasks      # one row a run and task: items, failures, tokens, seconds
runs.records    # one row an item of a run; read when first asked for
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_eval.card import CARD_TABLES, CardRow, Published, published
from gemma_eval.card.verdict import verdict
from gemma_eval.compare.frame import answer, item
from gemma_eval.errors import RunError
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.base import Task
from gemma_eval.task.configured import configured_tasks
from gemma_eval.types import GenerateResponse, Record, ScoreResponse

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


@dataclass(frozen=True)
class Run:
    """One run directory with its scores.json."""

    directory: RunDir
    content: dict[str, Any]

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Raises `RunError` if there is no finished run at `path`."""
        directory = RunDir.open(path)
        return cls(directory, directory.scores())

    @property
    def name(self) -> str:
        return str(self.content["run"])

    @cached_property
    def environment(self) -> dict[str, Any]:
        return self.directory.read_json("environment.json", {})  # type: ignore[no-any-return]

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """The tasks that have scores, as they were configured."""
        return configured_tasks(self.directory.read_json("manifest.json"), self.content["tasks"])

    def score_rows(self) -> Iterator[dict[str, Any]]:
        return chain.from_iterable(_score_rows(self.content, name, entry) for name, entry in self.content["tasks"].items())

    def task_rows(self) -> Iterator[dict[str, Any]]:
        return (_task_row(self.content, name, entry) for name, entry in self.content["tasks"].items())

    def record_rows(self, name: str) -> Iterator[dict[str, Any]]:
        """The scored items of one task."""
        return ({"run": self.name} | _record_row(self.tasks[name], record) for record in self.directory.records(name))


class Runs:
    """Several runs in one frame each. Values are in the unit of scores.json, published ones too; what does not apply is missing."""

    def __init__(self, runs: Sequence[Run]) -> None:
        names = [run.name for run in runs]
        if twice := {name for name in names if names.count(name) > 1}:
            raise RunError(f"two runs are called {min(twice)!r}, so their rows could not be told apart; rename one's folder and rescore it")
        self.runs = list(runs)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Whole tasks (`group` and `subset` empty), groups of subsets, and subsets. Of the two averages over subsets that a whole task
        may have, the one that its benchmark states comes first and has the card's verdict."""
        return _frame((row for run in self.runs for row in run.score_rows()), SCORE_COLUMNS)

    @cached_property
    def tasks(self) -> pd.DataFrame:
        return _frame((row for run in self.runs for row in run.task_rows()), TASK_COLUMNS)

    @cached_property
    def records(self) -> pd.DataFrame:
        """`score`: of the task's primary metric, missing where that is a score of the whole corpus; `answer`: the index of the choice
        that was picked, or the first text."""
        return _frame((row for run in self.runs for name in run.tasks for row in run.record_rows(name)), RECORD_COLUMNS)


def load(paths: Path | str | Sequence[Path | str]) -> Runs:
    """The runs in these directories. Raises `RunError` for what is no finished run."""
    return Runs([Run.open(path) for path in ([paths] if isinstance(paths, str | Path) else paths)])


def _frame(rows: Iterator[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=columns)


# -- scores -----------------------------------------------------------------------------------------------------


def _model(scores: Mapping[str, Any]) -> dict[str, Any]:
    model = scores["model"]
    return {"run": scores["run"], "model": model["size"]} | {name: model[name] for name in MODEL[1:]}


def _score_rows(scores: Mapping[str, Any], task: str, entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part, card, found in _parts(scores, task, entry):
        for metric, numbers in found["metrics"].items():
            low, high = numbers["ci95"] or (None, None)
            yield {
                **_model(scores),
                "task": task,
                **dict.fromkeys(["group", "subset", "average"], ""),
                **part,
                "metric": metric,
                "primary": metric == entry["primary"],
                **{name: numbers[name] for name in ("value", "stderr", "clusters")},
                "low": low,
                "high": high,
                "n": found["n"],
                "size": found.get("size"),
                **(card if metric == entry["primary"] else {}),
            }


def _parts(scores: Mapping[str, Any], task: str, entry: dict[str, Any]) -> Iterator[tuple[dict[str, str], dict[str, Any], dict[str, Any]]]:
    """The whole task, its other average, groups and subsets: the columns that name a part, its place on the card, its scores."""
    average = entry["average"]
    yield {"average": average or ""}, _on_card(scores, task, entry), entry
    if average:
        other = "macro" if average == "micro" else "micro"
        yield {"average": other}, {}, entry | {"metrics": entry[other]}
    for name, found in entry.get("groups", {}).items():
        yield {"group": name}, _on_card(scores, task, entry, name), found
    for name, found in entry.get("subsets", {}).items():
        yield {"subset": name}, {}, found


def _on_card(scores: Mapping[str, Any], task: str, entry: dict[str, Any], group: str = "") -> dict[str, Any]:
    """The card's row for a task, or for a group of its subsets: name, published value in the score's own unit, verdict."""
    rows = list(_card_rows(scores["model"], task, group))
    if not rows:
        return {}
    row, number = next((found for found in rows if found[1]), rows[0])
    measured = entry | (entry["groups"][group] if group else {})
    return {
        "benchmark": row.benchmark,
        "published": float(Decimal(number.text) / Decimal(row.scale)) if number else None,
        "verdict": verdict(row, number, measured).value,
    }


def _card_rows(model: Mapping[str, Any], task: str, group: str) -> Iterator[tuple[CardRow, Published | None]]:
    numbers = published(model["variant"])
    for table in CARD_TABLES:
        if table.variant == model["variant"]:
            for row in table.rows:
                if (row.task, row.group) == (task, group) and not row.parts:
                    yield row, numbers.get((table.key, row.benchmark, model["size"]))


def _task_row(scores: Mapping[str, Any], task: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    tokens = {f"{kind}_tokens": entry["tokens"][kind] for kind in ("prompt", "computed", "generated")}
    plain = {name: entry[name] for name in TASK_COLUMNS if name in entry}
    return _model(scores) | {"task": task} | plain | tokens


# -- records ----------------------------------------------------------------------------------------------------


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
