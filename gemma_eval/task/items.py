"""Which rows of a table are items of the benchmark, what decides which exemplars they may have, and how a page reads a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from gemma_eval.data.columns import MEND, CheckedRow, Columns, learned
from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.rows import Row
from gemma_eval.data.sources import open_source
from gemma_eval.data.table import Table
from gemma_eval.errors import DataError, GemmaEvalError
from gemma_eval.task.base import Task

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """The subset and the overlap key of a row."""

    subset: str
    overlap_key: str = ""


def items_of(task: Task, table: Table, *, overlap_keys: bool = False) -> dict[int, Item]:
    """The rows that are items, by their index in the table. Overlap keys are left empty unless asked for: some are hashes of images.

    Raises `DataError`, naming the row, if the task's page cannot read one.
    """
    item = partial(_item, task, table, overlap_keys)
    return {i: found for i, row in enumerate(table.rows) if (found := checked(task, table, i, row, partial(item, i)))}


def _item(task: Task, table: Table, overlap_keys: bool, index: int, row: Row) -> Item | None:
    if not task.included(row):
        return None
    config = table.configs[index]
    return Item(task.subset(row, config), task.overlap_key(row, config, table.ids[index]) if overlap_keys else "")


def checked(task: Task, table: Table, index: int, row: Row, use: Callable[[Row], T], columns: Columns | None = None) -> T:
    """`use(row)`, where the row's columns are checked as they are read. `columns`: what they should hold; by default as the page's.

    Raises `DataError`, naming task, row and column, if a column is not as it should be, or if the page's code fails on this row.
    """
    expected = page_columns(type(task)) if columns is None else columns
    checked_row = CheckedRow(row, expected, partial(_where, task, table, index))
    try:
        return use(checked_row)
    except GemmaEvalError:
        raise
    except (ArithmeticError, AttributeError, LookupError, SyntaxError, TypeError, ValueError) as error:
        reason = f"nothing known as {error}" if isinstance(error, KeyError) else str(error)
        at = f" (last column read: {checked_row.last_read!r})" if checked_row.last_read else ""
        raise DataError(f"{_where(task, table, index)}: bad row: {reason}{at}. {MEND}") from error


def _where(task: Task, table: Table, index: int) -> str:
    return f"{task.name}: {table.where(index)}"


@cache
def page_columns(page: type[Task]) -> Columns:
    """What the columns of a page's rows hold, whatever dataset the task is pointed at."""
    task = page()
    return bundled_columns(task.dataset, task.samples_file())


def bundled_columns(ref: DatasetRef, samples: Path) -> Columns:
    """What the columns of a dataset's rows hold, as the bundled ones show. Empty without bundled rows: then only null is refused."""
    splits = dict.fromkeys(split for split in (ref.split, ref.fewshot_split) if split)
    return learned(row for split in splits for row in _bundled(ref, split, samples))


def _bundled(ref: DatasetRef, split: str, samples: Path) -> Iterator[Row]:
    """The bundled rows of a split; none if they cannot be read."""
    try:
        yield from open_source(root=None, samples=True).table(ref, split, samples).rows
    except (DataError, LookupError, TypeError, ValueError):
        return
