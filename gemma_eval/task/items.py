"""Which rows of a table are items of the benchmark, and what decides which exemplars they may have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from gemma_eval.data.rows import Row
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


def checked(task: Task, table: Table, index: int, row: Row, use: Callable[[Row], T]) -> T:
    """`use(row)`. Raises `DataError`, naming task and row, if the page's code fails on this row."""
    try:
        return use(row)
    except GemmaEvalError:
        raise
    except KeyError as error:
        raise DataError(
            f"{task.name}: {table.where(index)}: no column {error}; it has {', '.join(row)}. "
            f"Point tasks.{task.name}.dataset at a repository with the benchmark's own columns"
        ) from error
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise DataError(f"{task.name}: {table.where(index)}: bad row: {error}. Mend or remove the row, or pin a good revision") from error
