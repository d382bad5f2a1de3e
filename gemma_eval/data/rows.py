"""Rows as tasks see them. They are read in batches, and images stay where they are stored until their bytes are wanted.

An image column is one whose values are encoded as `datasets` encodes images: {"bytes": ..., "path": ...}, or {"path": ...} alone. A
path is relative to the folder of the repository. Tasks get an `Image`, or None for a row without one.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias, overload

from gemma_eval.errors import PromptError
from gemma_eval.types import Image

Row: TypeAlias = Mapping[str, Any]
"""One row: values by column."""


class RowError(ValueError):
    """A row that cannot be read. `index`: its place among the rows."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


class Rows(Sequence[Row]):
    """A sequence of rows. Reading them in order, in batches, is fast; reading them one by one is slow."""

    @abstractmethod
    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """The rows with these indices, in this order."""

    def fetch(self, indices: Iterable[int]) -> None:
        """Make the images of these rows ready, many at once, where they are not on this machine yet."""

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        wanted = range(len(self))[index]
        return list(self.read(wanted)) if isinstance(wanted, range) else next(self.read([wanted]))

    def __iter__(self) -> Iterator[Row]:
        return self.read(range(len(self)))


class ListedRows(Rows):
    """Rows in memory. Their images are files under `folder`."""

    def __init__(self, rows: Sequence[Row], folder: Path) -> None:
        self._rows = [{name: _image_or_value(value, folder) for name, value in row.items()} for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """The rows with these indices, in this order."""
        return (self._rows[index] for index in indices)


class JoinedRows(Rows):
    """The rows of several parts, one part after the other. A column that a part lacks is None in its rows."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self._starts = [0, *accumulate(len(part) for part in parts)]
        first = [part[0] if len(part) else {} for part in parts]
        empty: dict[str, Any] = {name: None for row in first for name in row}
        self._lacking: list[dict[str, Any]] = [{} if row.keys() == empty.keys() else empty for row in first]

    def __len__(self) -> int:
        return self._starts[-1]

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """The rows with these indices, in this order."""
        for part, inside in runs(self._starts, indices):
            lacking = self._lacking[part]
            for row in self._parts[part].read(inside):
                yield {**lacking, **row} if lacking else row

    def fetch(self, indices: Iterable[int]) -> None:
        """Make the images of these rows ready."""
        wanted: dict[int, list[int]] = {}
        for index in indices:
            part = bisect_right(self._starts, index) - 1
            wanted.setdefault(part, []).append(index - self._starts[part])
        for part, inside in wanted.items():
            self._parts[part].fetch(inside)


def runs(starts: Sequence[int], indices: Iterable[int], longest: int | None = None) -> Iterator[tuple[int, list[int]]]:
    """Neighbours in `indices` that lie in one part: the part's number, and their indices inside it.

    `starts`: the first index of each part, and the end of the last. `longest`: the most indices of one run.
    """
    wanted = list(indices)
    first = 0
    while first < len(wanted):
        part = bisect_right(starts, wanted[first]) - 1
        start, end = starts[part], starts[part + 1]
        last = first
        while last < len(wanted) and last - first < (longest or len(wanted)) and start <= wanted[last] < end:
            last += 1
        yield part, [index - start for index in wanted[first:last]]
        first = last


class ExpandedRows(Rows):
    """One row for each entry of a list column: the entry's columns, and the other columns of its row.

    `origins[i]` says where row i comes from: the index of the row, and the position in its list. Raises `KeyError` without the column, and
    `RowError` for a row that has no list of mappings there.
    """

    def __init__(self, rows: Rows, column: str) -> None:
        self._rows = rows
        self._column = column
        self.origins = [(index, position) for index, row in enumerate(rows) for position in range(self._count(index, row))]

    def _count(self, index: int, row: Row) -> int:
        entries = row[self._column]
        if not isinstance(entries, list | tuple) or not all(isinstance(entry, Mapping) for entry in entries):
            raise RowError(index, f"column {self._column!r} is no list of mappings")
        return len(entries)

    def __len__(self) -> int:
        return len(self.origins)

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """The rows with these indices, in this order."""
        wanted = [self.origins[index] for index in indices]
        for row, (_, position) in zip(self._rows.read(index for index, _ in wanted), wanted, strict=True):
            yield {name: value for name, value in row.items() if name != self._column} | row[self._column][position]

    def fetch(self, indices: Iterable[int]) -> None:
        """Make the images of these rows ready."""
        self._rows.fetch(dict.fromkeys(self.origins[index][0] for index in indices))


class SideBySideRows(Rows):
    """The columns of two parallel sources of rows. Those of `other` get names with `prefix` in front."""

    def __init__(self, rows: Rows, other: Rows, prefix: str) -> None:
        self._rows = rows
        self._other = other
        self._prefix = prefix

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """The rows with these indices, in this order."""
        wanted = list(indices)
        for row, beside in zip(self._rows.read(wanted), self._other.read(wanted), strict=True):
            yield {**row, **{f"{self._prefix}{name}": value for name, value in beside.items()}}


class ChosenRows(Rows):
    """Some rows of others, by index."""

    def __init__(self, rows: Rows, chosen: Sequence[int]) -> None:
        self._rows = rows
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """The rows with these indices, in this order."""
        return self._rows.read([self._chosen[index] for index in indices])

    def fetch(self, indices: Iterable[int]) -> None:
        """Make the images of these rows ready."""
        self._rows.fetch([self._chosen[index] for index in indices])


class LabelledRows(Rows):
    """Rows with columns more: `labels` have the same value in all rows, `computed` are computed from each row."""

    def __init__(self, rows: Rows, labels: Row | None = None, computed: Mapping[str, Callable[[Row], Any]] | None = None) -> None:
        self._rows = rows
        self._labels = dict(labels or {})
        self._computed = dict(computed or {})

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """The rows with these indices, in this order."""
        for row in self._rows.read(indices):
            computed = {name: compute(row) for name, compute in self._computed.items()}
            yield {**row, **self._labels, **computed}

    def fetch(self, indices: Iterable[int]) -> None:
        """Make the images of these rows ready."""
        self._rows.fetch(indices)


def _image_or_value(value: Any, folder: Path) -> Any:
    if not (isinstance(value, dict) and value.keys() == {"path"}):
        return value
    return Image(partial(file_bytes, value["path"], folder)) if value["path"] else None


def file_bytes(path: str, folder: Path | None) -> bytes:
    """Raises `PromptError` if the file cannot be read."""
    if folder is None:
        raise PromptError(f"image {path}: the row names a file, and files are read from a local copy only: set data.root")
    try:
        return (folder / path).read_bytes()
    except OSError as error:
        raise PromptError(f"image {folder / path}: cannot be read: {error.strerror}") from error
    except (TypeError, ValueError) as error:  # a number, or a name with a null character
        raise PromptError(f"image {path!r}: not the name of a file: {error}") from error
