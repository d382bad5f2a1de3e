"""The frames of `gemma_eval.export.frames` as Parquet or CSV files: scores, tasks, records. Records are written a task at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gemma_eval.export.frames import RECORD_COLUMNS, Runs, record_rows, scored_tasks
from gemma_eval.store.documents import to_text

AS_JSON = ("scores", "target", "fields")  # differ in shape from task to task


def write_parquet(runs: Runs, out: Path) -> list[str]:
    """Write the three frames as Parquet files."""
    import pyarrow as pa
    from pyarrow import parquet

    out.mkdir(parents=True, exist_ok=True)
    runs.scores.to_parquet(out / "scores.parquet", index=False)
    runs.tasks.to_parquet(out / "tasks.parquet", index=False)
    types = {
        **dict.fromkeys(["texts", "finish"], pa.list_(pa.string())),
        **dict.fromkeys(["tokens", "lengths"], pa.list_(pa.int64())),
        "logprobs": pa.list_(pa.float64()),
        "greedy": pa.list_(pa.bool_()),
        "score": pa.float64(),
        "dropped_shots": pa.int64(),
    }
    schema = pa.schema([(name, types.get(name, pa.string())) for name in RECORD_COLUMNS])
    with parquet.ParquetWriter(out / "records.parquet", schema) as writer:
        for rows in _records(runs):
            writer.write_table(pa.Table.from_pylist([_with_text_answer(row) for row in rows], schema))
    return _written(out, "parquet")


def write_csv(runs: Runs, out: Path) -> list[str]:
    """Write the three frames as CSV files. Lists and nested values are JSON."""
    out.mkdir(parents=True, exist_ok=True)
    runs.scores.to_csv(out / "scores.csv", index=False)
    runs.tasks.to_csv(out / "tasks.csv", index=False)
    with (out / "records.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, RECORD_COLUMNS)
        writer.writeheader()
        for rows in _records(runs):
            writer.writerows({name: _json(value) if isinstance(value, list) else value for name, value in row.items()} for row in rows)
    return _written(out, "csv")


def _records(runs: Runs) -> Iterator[list[dict[str, Any]]]:
    for run in runs.runs:
        for task in scored_tasks(run).values():
            yield [row | {name: _json(row[name]) for name in AS_JSON} for row in record_rows(run, task)]


def _with_text_answer(row: dict[str, Any]) -> dict[str, Any]:
    """The answer as text: a column has one type, so a choice's index becomes its digits."""
    return row | {"answer": None if row["answer"] is None else str(row["answer"])}


def _json(value: Any) -> str:
    return to_text(value)


def _written(out: Path, suffix: str) -> list[str]:
    return [str(out / f"{name}.{suffix}") for name in ("scores", "tasks", "records")]
