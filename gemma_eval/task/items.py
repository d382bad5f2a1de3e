"""Which rows of a table are items of the benchmark, what decides which exemplars they may have, and how a page reads a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from gemma_eval.data.columns import MEND, BadRowError, CheckedRow, Columns, Kinds, learned
from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.rows import Row
from gemma_eval.data.sources import open_source
from gemma_eval.data.table import Table
from gemma_eval.errors import DataError, GemmaEvalError, PromptError, one_line
from gemma_eval.task.base import Task
from gemma_eval.task.soundness import texts

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """The subset and the overlap key of a row."""

    subset: str
    overlap_key: str = ""


def items_of(task: Task, table: Table, *, overlap_keys: bool = False, refused: dict[str, str] | None = None) -> dict[int, Item]:
    """The rows that are items, by their index in the table. Overlap keys are left empty unless asked for: some are hashes of images.

    A row that the task's page cannot read goes into `refused`, by its id, with the reason. Without `refused`, it raises `BadRowError`.
    """
    if not _reads_rows(type(task), overlap_keys):
        return {i: Item("", name if overlap_keys else "") for i, name in enumerate(table.ids)}
    item = partial(_item, task, table, overlap_keys)
    items = {}
    for i, row in enumerate(table.rows):
        try:
            found = checked(task, table, i, row, partial(item, i))
        except BadRowError as error:
            if refused is None:
                raise
            refused[table.ids[i]] = str(error)
        else:
            if found:
                items[i] = found
    return items


def _reads_rows(page: type[Task], overlap_keys: bool) -> bool:
    """Whether the page looks at a row to tell what item it is. Reading all rows of a large split takes a second."""
    asked = ("included", "subset", *(("overlap_key",) if overlap_keys else ()))
    return any(getattr(page, name) is not getattr(Task, name) for name in asked)


def _item(task: Task, table: Table, overlap_keys: bool, index: int, row: Row) -> Item | None:
    if not task.included(row):
        return None
    config = table.configs[index]
    item = Item(task.subset(row, config), task.overlap_key(row, config, table.ids[index]) if overlap_keys else "")
    texts((("subset()", item.subset), ("overlap_key()", item.overlap_key)))
    return item


def checked(task: Task, table: Table, index: int, row: Row, use: Callable[[Row], T], columns: Columns | None = None) -> T:
    """`use(row)`, where the row's columns are checked as they are read. `columns`: what they should hold; by default as the page's.

    Raises `BadRowError`, naming task, row and column, if a column is not as it should be, or if the page's code fails on this row.
    """
    expected = page_columns(type(task)) if columns is None else columns
    checked_row = CheckedRow(row, expected, partial(_where, task, table, index))
    try:
        return use(checked_row)
    except Exception as error:  # a page that is someone else's may raise anything
        if isinstance(error, GemmaEvalError) and not isinstance(error, PromptError):
            raise
        at = f" (last column read: {checked_row.last_read!r})" if checked_row.last_read else ""
        raise BadRowError(f"{_where(task, table, index)}: bad row: {_reason(error)}{at}. {MEND}") from error


def _reason(error: Exception) -> str:
    """What a page's exception says, on one line. The name of its type says what the message alone does not."""
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object[error.start]!r} is half of a surrogate pair"
    said = one_line(error)
    if isinstance(error, KeyError):
        return f"nothing known as {said}"
    return said if said and isinstance(error, ValueError | PromptError) else f"{type(error).__name__}: {said}".rstrip(": ")


def _where(task: Task, table: Table, index: int) -> str:
    return f"{task.name}: {table.where(index)}"


@cache
def page_columns(page: type[Task]) -> Columns:
    """What the columns of a page's rows hold, whatever dataset the task is pointed at."""
    task = page()
    columns = bundled_columns(task.dataset, task.samples_file())
    return columns | {name: replace(columns[name], empty=True) for name in task.may_be_blank if name in columns}


def bundled_columns(ref: DatasetRef, samples: Path) -> dict[str, Kinds]:
    """What the columns of a dataset's rows hold, as the bundled ones show. Empty without bundled rows: then only null is refused."""
    splits = dict.fromkeys(split for split in (ref.split, ref.fewshot_split) if split)
    return learned(row for split in splits for row in _bundled(ref, split, samples))


def _bundled(ref: DatasetRef, split: str, samples: Path) -> Iterator[Row]:
    """The bundled rows of a split; none if they cannot be read."""
    try:
        yield from open_source(root=None, samples=True).table(ref, split, samples).rows
    except (DataError, LookupError, TypeError, ValueError):
        return
