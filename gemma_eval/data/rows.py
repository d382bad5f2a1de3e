"""Rows as tasks see them. They are read in batches, and images stay where they are stored until their bytes are wanted.

An image column is one whose values are encoded as `datasets` encodes images: {"bytes": ..., "path": ...}, or {"path": ...} alone. A
path is relative to the folder of the repository. Tasks get an `Image`, or None for a row without one.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from gemma_eval.errors import PromptError
from gemma_eval.types import Image

if TYPE_CHECKING:
    import datasets
    import numpy as np
    import numpy.typing as npt


Row: TypeAlias = Mapping[str, Any]
"""One row: values by column."""

BATCH = 1000  # rows read at once


class Rows(Sequence[Row]):
    """A sequence of rows. Reading them in order, in batches, is fast; reading them one by one is slow."""

    @abstractmethod
    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """The rows with these indices, in this order."""

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


class StoredRows(Rows):
    """Rows of a `datasets.Dataset`. Each also has the columns of `added`, with the same values for all rows."""

    def __init__(self, dataset: datasets.Dataset, folder: Path | None = None, added: Row | None = None) -> None:
        names = [name for name, feature in dataset.features.items() if _is_image(feature)]
        self._image_columns = {name: _ImageColumn(dataset, name, folder) for name in names}
        self._without_images = dataset.remove_columns(names)
        self._length = len(dataset)
        self._added = dict(added or {})

    def __len__(self) -> int:
        return self._length

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """The rows with these indices, in this order."""
        remaining = iter(indices)
        while batch := list(islice(remaining, BATCH)):
            contiguous = batch == list(range(batch[0], batch[0] + len(batch)))
            columns = self._without_images[batch[0] : batch[-1] + 1] if contiguous else self._without_images[batch]
            for position, index in enumerate(batch):
                row = {name: values[position] for name, values in columns.items()}
                yield row | {name: column.at(index) for name, column in self._image_columns.items()} | self._added


class JoinedRows(Rows):
    """The rows of several parts, one part after the other. A column that a part lacks is None in its rows."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self._starts = [0, *accumulate(len(part) for part in parts)]
        self._empty: dict[str, Any] = {name: None for part in parts if len(part) for name in part[0]}

    def __len__(self) -> int:
        return self._starts[-1]

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """The rows with these indices, in this order."""
        wanted = list(indices)
        first = 0
        while first < len(wanted):  # one run of rows from the same part
            part = bisect_right(self._starts, wanted[first]) - 1
            start, end = self._starts[part], self._starts[part + 1]
            last = first
            while last < len(wanted) and start <= wanted[last] < end:
                last += 1
            for row in self._parts[part].read([index - start for index in wanted[first:last]]):
                yield self._empty | dict(row)
            first = last


class ExpandedRows(Rows):
    """One row for each entry of a list column: the entry's columns, and the other columns of its row.

    `origins[i]` says where row i comes from: the index of the row, and the position in its list. Raises `KeyError` without the column.
    """

    def __init__(self, rows: Rows, column: str) -> None:
        self._rows = rows
        self._column = column
        self.origins = [(index, position) for index, row in enumerate(rows) for position in range(len(row[column] or []))]

    def __len__(self) -> int:
        return len(self.origins)

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """The rows with these indices, in this order."""
        wanted = [self.origins[index] for index in indices]
        for row, (_, position) in zip(self._rows.read(index for index, _ in wanted), wanted, strict=True):
            yield {name: value for name, value in row.items() if name != self._column} | row[self._column][position]


class _ImageColumn:
    """A column of images. Each is read from the memory-mapped file when its bytes are wanted."""

    def __init__(self, dataset: datasets.Dataset, name: str, folder: Path | None) -> None:
        self._column = dataset.data.column(name)
        self._name = name
        self._folder = folder

    @cached_property
    def _present(self) -> npt.NDArray[np.bool_]:
        """Which rows have an image, shape [rows]. Reads validity bits only."""
        import numpy as np
        import pyarrow.compute as pc

        fields = [pc.is_valid(pc.struct_field(self._column, field.name)) for field in self._column.type]
        present: npt.NDArray[np.bool_] = np.logical_or.reduce([np.asarray(field) for field in fields])
        return present

    def at(self, index: int) -> Image | None:
        return Image(partial(self._read, index)) if self._present[index] else None

    def _read(self, index: int) -> bytes:
        value = self._column[index].as_py()
        return value.get("bytes") or _file_bytes(value["path"], self._folder)


def _is_image(feature: Any) -> bool:
    import datasets

    return isinstance(feature, datasets.Image) or (isinstance(feature, dict) and "path" in feature and feature.keys() <= {"bytes", "path"})


def _image_or_value(value: Any, folder: Path) -> Any:
    is_path = isinstance(value, dict) and value.keys() == {"path"}
    return Image(partial(_file_bytes, value["path"], folder)) if is_path else value


def _file_bytes(path: str, folder: Path | None) -> bytes:
    """Raises `PromptError` if the file cannot be read."""
    if folder is None:
        raise PromptError(f"image {path}: the row names a file, and files are read from a local copy only: set data.root")
    try:
        return (folder / path).read_bytes()
    except OSError as error:
        raise PromptError(f"image {folder / path}: cannot be read: {error.strerror}") from error
