"""Paired records as a pandas DataFrame, for questions that no report answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gemma_eval.compare.choice_shift import choice_of
from gemma_eval.compare.comparability import agreement
from gemma_eval.compare.load import RunSource, load
from gemma_eval.compare.results import TaskResults
from gemma_eval.task.base import Task
from gemma_eval.types import GenerateResponse, Record

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = [
    "task", "subset", "id", "cluster", "prompt_sha256", "metric", "a", "b", "difference", "answer_a", "answer_b", "changed",
    "margin_a", "margin_b", "kl",
]  # fmt: skip


def paired(a: RunSource, b: RunSource) -> pd.DataFrame:
    """One row for each item that both runs answered with the same prompt, and each metric.

    a, b: the item's scores, or for a corpus metric its counts, whose difference is nan. answer_a, answer_b: the index of the choice
    picked, or the text, or None from a baseline, which keeps no text. margin_a, margin_b, kl: nats, for multiple choices alone.
    """
    import pandas as pd

    ours, theirs = load(a), load(b)
    shared = [name for name in ours.tasks if name in theirs.tasks]
    rows = [row for name in shared for row in _rows(name, ours.tasks[name], theirs.tasks[name])]
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(name: str, a: TaskResults, b: TaskResults) -> Iterator[dict[str, Any]]:
    for one, other in agreement(a, b).joined.pairs:
        shared = item(name, one) | _answers(a.task, one, other)
        for metric in a.task.metrics:
            if metric in one.scores and metric in other.scores:
                x, y = one.scores[metric], other.scores[metric]
                gap = None if isinstance(x, list) or isinstance(y, list) else y - x
                yield shared | {"metric": metric, "a": x, "b": y, "difference": gap}


def item(name: str, record: Record) -> dict[str, Any]:
    """The columns that name the item that a record answers."""
    return {
        "task": name,
        "subset": record.subset,
        "id": record.id,
        "cluster": record.cluster,
        "prompt_sha256": record.prompt_sha256,
    }


def answer(task: Task, record: Record) -> int | str | None:
    """The index of the choice picked, or the first text; None from a baseline, which keeps no text."""
    choice = choice_of(task, record)
    return choice.picked if choice else _text(record)


def _answers(task: Task, a: Record, b: Record) -> dict[str, Any]:
    one, other = choice_of(task, a), choice_of(task, b)
    if one and other:
        return {
            "answer_a": one.picked,
            "answer_b": other.picked,
            "changed": one.picked != other.picked,
            "margin_a": one.margin,
            "margin_b": other.margin,
            "kl": one.divergence(other),
        }
    x, y = _text(a), _text(b)
    return {"answer_a": x, "answer_b": y, "changed": None if x is None or y is None else x != y}


def _text(record: Record) -> str | None:
    """The first generated text. The records of a baseline have neither text nor request key."""
    response = record.response
    return response.texts[0] if isinstance(response, GenerateResponse) and record.key else None
