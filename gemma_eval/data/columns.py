"""What the columns of a dataset hold, learned from a task's bundled rows; and rows that are checked against it as they are read.

A column that is null, blank, missing or of another type must not become a prompt. Copies of a dataset differ in one respect: a label is
0 in one, "0" in another and 0.0 in a third. So these stand for each other, and a page gets what the bundled rows show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn, TypeAlias

from gemma_eval.data.rows import Row
from gemma_eval.errors import DataError
from gemma_eval.types import Image

TYPES: Mapping[type, str] = {str: "text", int: "whole number", float: "number", bool: "truth value", Image: "image"}
LISTS = (list, tuple)
SHOWN = 40  # characters of a wrong value that a message shows
MEND = "Mend or remove the row, or point the task's dataset at a repository and revision with the benchmark's own columns"


class BadRowError(DataError, ValueError):
    """A row that is no sound item. It is a `ValueError` too, as that of a page that looks for itself."""


class NoColumnError(BadRowError, KeyError):
    """A row lacks a column. It is a `KeyError` too, as that of any mapping."""

    __str__ = Exception.__str__  # that of `KeyError` puts the message in quotes


@dataclass
class Kinds:
    """What a column, an entry of a list or a field of a mapping holds. Without any kind, it may hold anything but null.

    `names` are those of `TYPES`. `entries` is for lists, `fields` for mappings; None if no list or mapping was seen. `null` and `empty`:
    whether null was seen, and whether blank text or an empty list was.
    """

    names: set[str] = field(default_factory=set)
    null: bool = False
    empty: bool = False
    entries: Kinds | None = None
    fields: dict[str, Kinds] | None = None

    def learn(self, value: Any) -> None:
        """Add the kind of this value."""
        if is_null(value):
            self.null = True
        elif isinstance(value, LISTS):
            self.empty |= is_empty(value)
            self.entries = self.entries or Kinds()
            for entry in value:
                self.entries.learn(entry)
        elif isinstance(value, Mapping):
            self.fields = {} if self.fields is None else self.fields
            for name, inner in value.items():
                self.fields.setdefault(name, Kinds()).learn(inner)
        elif type(value) in TYPES:
            self.empty |= is_empty(value)
            self.names.add(TYPES[type(value)])

    @cached_property
    def direct(self) -> frozenset[type]:
        """Types whose values need no closer look, so that reading a row stays fast."""
        return frozenset(kind for kind, name in TYPES.items() if kind not in self._looked_at and (self.unknown or name in self.names))

    @cached_property
    def _looked_at(self) -> tuple[type, ...]:
        return (float,) if self.takes_empty else (float, str)

    @cached_property
    def takes_empty(self) -> bool:
        """Whether a text may be blank and a list empty: where the bundled rows show that, or show nothing."""
        return self.empty or self.unknown

    @cached_property
    def unknown(self) -> bool:
        """Whether no value was seen that shows a kind."""
        return not self.names and self.entries is None and self.fields is None

    def __str__(self) -> str:
        """In words, such as "text or list of whole number"."""
        names = sorted(self.names)
        if self.entries is not None:
            names.append(f"list of {self.entries}")
        if self.fields is not None:
            names.append("mapping")
        return " or ".join(names) or "a value"


Columns: TypeAlias = Mapping[str, Kinds]
"""The kinds of each column."""

UNKNOWN = Kinds()


def learned(rows: Iterable[Row]) -> dict[str, Kinds]:
    """The kinds of each column, as these rows show them."""
    columns: dict[str, Kinds] = {}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, Kinds()).learn(value)
    return columns


class CheckedRow(Mapping[str, Any]):
    """A row whose columns are checked when they are read. So only columns that a page needs can make a row bad.

    `row[...]` raises `BadRowError` for another type, and for null, blank text and an empty list unless the bundled rows show such too.
    `row.get(...)` takes null for a missing column. Mappings inside are checked rows themselves, and their columns are named by paths:
    "answer.value". `where` names the row. `last_read` is the path of the last column read, which is where to look if the page fails.
    """

    __slots__ = ("_columns", "_path", "_root", "_row", "_where", "last_read")

    def __init__(self, row: Row, columns: Columns, where: Callable[[], str], path: str = "", root: CheckedRow | None = None) -> None:
        self._row = row
        self._columns = columns
        self._where = where
        self._path = path
        self._root = root or self
        self.last_read = ""

    def __getitem__(self, name: str) -> Any:
        path = self._root.last_read = self._path + name
        try:
            value = self._row[name]
        except KeyError:
            raise NoColumnError(f"{self._where()}: no column {path!r}; it has {', '.join(self._row)}. {MEND}") from None
        kinds = self._columns.get(name, UNKNOWN)
        if type(value) in kinds.direct:
            return value
        return self._checked(value, kinds, path, nullable=kinds.null, may_be_empty=kinds.takes_empty)

    def get(self, name: str, default: Any = None) -> Any:
        """The column; `default` if it is null or missing. It may be empty."""
        if name not in self._row:
            return default
        path = self._root.last_read = self._path + name
        value, kinds = self._row[name], self._columns.get(name, UNKNOWN)
        if type(value) not in kinds.direct:
            value = self._checked(value, kinds, path, nullable=True, may_be_empty=True)
        return default if value is None else value

    def __contains__(self, name: object) -> bool:
        return name in self._row

    def __iter__(self) -> Iterator[str]:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)

    def __repr__(self) -> str:
        return repr(self._row)

    def _checked(self, value: Any, kinds: Kinds, path: str, *, nullable: bool, may_be_empty: bool) -> Any:
        """The value, or None for null. A list is a list of checked values, a mapping a checked row."""
        if isinstance(value, LISTS) and (kinds.unknown or kinds.entries is not None):
            if not value and not may_be_empty:
                self._refuse("an empty list", kinds, path)
            entries = kinds.entries or UNKNOWN
            if entries.direct.issuperset(map(type, value)):
                return value
            return [
                self._checked(entry, entries, f"{path}[{i}]", nullable=entries.null, may_be_empty=may_be_empty or entries.takes_empty)
                for i, entry in enumerate(value)
            ]
        if is_null(value):
            return None if nullable else self._refuse("null", kinds, path)
        if isinstance(value, Mapping) and (kinds.unknown or kinds.fields is not None):
            return CheckedRow(value, kinds.fields or {}, self._where, f"{path}.", self._root)
        name = TYPES.get(type(value))
        if isinstance(value, float) and math.isinf(value):
            self._refuse(_described(value), kinds, path)
        if name == "text" and name in kinds.names and not may_be_empty and is_empty(value):
            self._refuse("blank text", kinds, path)
        if kinds.unknown or name in kinds.names:
            return value
        if name == "whole number" and kinds.names & {"text", "number"}:
            return value if "number" in kinds.names else str(value)
        if "whole number" in kinds.names and _is_whole(value):
            return int(value)
        return self._refuse(_described(value), kinds, path)

    def _refuse(self, found: str, kinds: Kinds, path: str) -> NoReturn:
        raise BadRowError(f"{self._where()}: bad row: column {path!r}: found {found}, expected {kinds}. {MEND}")


def plain(value: Any) -> Any:
    """A value of a checked row as JSON knows it: its mappings are dicts."""
    if isinstance(value, LISTS):
        return [plain(entry) for entry in value]
    return {name: plain(inner) for name, inner in value.items()} if isinstance(value, Mapping) else value


def is_null(value: Any) -> bool:
    """Whether the value stands for nothing: None, or the NaN that readers of CSV put into empty cells."""
    return value is None or (isinstance(value, float) and value != value)


def is_empty(value: Any) -> bool:
    """Whether the value is blank text or an empty list."""
    return not value.strip() if isinstance(value, str) else isinstance(value, LISTS) and not value


def _is_whole(value: Any) -> bool:
    """Whether a text or a number stands for a whole number. A reader of CSV makes 0 to 0.0 where other cells of the column are empty."""
    return value.is_integer() if isinstance(value, float) else isinstance(value, str) and value.removeprefix("-").isdecimal()


def _described(value: Any) -> str:
    """Kind and value, on one short line."""
    if isinstance(value, LISTS):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return f"a mapping with {', '.join(map(str, value)) or 'nothing'}"[:SHOWN]
    text = repr(value)
    return f"{TYPES.get(type(value), type(value).__name__)} {text if len(text) <= SHOWN else f'{text[:SHOWN]}...'}"
