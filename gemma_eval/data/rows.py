"""Rows as tasks see them: read a batch at a time, with pictures left where they are until their bytes are asked for.

A picture is any column that holds `datasets`' encoded form of one, {"bytes": ..., "path": ...}, or {"path": ...} alone; a
path is relative to the folder of the repository. Tasks get an `Image`, or None where the row has none.
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

BATCH = 1000


class Rows(Sequence[Row]):
    """Rows that are cheap to read in order and in batches, dearer one by one."""

    @abstractmethod
    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """These rows, in this order."""

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
    """Rows in memory, their pictures in files under `folder`."""

    def __init__(self, rows: Sequence[Row], folder: Path) -> None:
        self._rows = [{name: _image(value, folder) for name, value in row.items()} for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        return (self._rows[index] for index in indices)


class StoredRows(Rows):
    """Rows of a `datasets.Dataset`. `added` are columns of constant value."""

    def __init__(self, dataset: datasets.Dataset, folder: Path | None = None, added: Row | None = None) -> None:
        names = [name for name, feature in dataset.features.items() if _is_image(feature)]
        self._image_columns = {name: _ImageColumn(dataset, name, folder) for name in names}
        self._plain = dataset.remove_columns(names)
        self._length = len(dataset)
        self._added = dict(added or {})

    def __len__(self) -> int:
        return self._length

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        remaining = iter(indices)
        while wanted := list(islice(remaining, BATCH)):
            columns = self._plain[wanted[0] : wanted[-1] + 1] if wanted[-1] - wanted[0] == len(wanted) - 1 else self._plain[wanted]
            for place, index in enumerate(wanted):
                row = {name: values[place] for name, values in columns.items()}
                yield row | {name: column.at(index) for name, column in self._image_columns.items()} | self._added


class JoinedRows(Rows):
    """The rows of several parts, one after the other; a column that a part lacks is None."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self._starts = [0, *accumulate(len(part) for part in parts)]
        self._empty: dict[str, Any] = {name: None for part in parts if len(part) for name in part[0]}

    def __len__(self) -> int:
        return self._starts[-1]

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        wanted = list(indices)
        at = 0
        while at < len(wanted):
            part = bisect_right(self._starts, wanted[at]) - 1
            start, end = self._starts[part], self._starts[part + 1]
            run = at
            while run < len(wanted) and start <= wanted[run] < end:
                run += 1
            for row in self._parts[part].read([index - start for index in wanted[at:run]]):
                yield self._empty | dict(row)
            at = run


class EachOf(Rows):
    """The entries of a list column, each a row of its own with the other columns of its row: the questions on a picture, say."""

    def __init__(self, rows: Rows, column: str) -> None:
        self._rows = rows
        self._column = column
        self.owners = [(index, place) for index, row in enumerate(rows) for place in range(len(row[column] or []))]

    def __len__(self) -> int:
        return len(self.owners)

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        wanted = [self.owners[index] for index in indices]
        for row, (_, place) in zip(self._rows.read(index for index, _ in wanted), wanted, strict=True):
            yield {name: value for name, value in row.items() if name != self._column} | row[self._column][place]


class _ImageColumn:
    """A column of pictures, read from the memory-mapped file one by one."""

    def __init__(self, dataset: datasets.Dataset, name: str, folder: Path | None) -> None:
        self._column = dataset.data.column(name)
        self._name = name
        self._folder = folder

    @cached_property
    def _present(self) -> npt.NDArray[np.bool_]:
        """Which rows have a picture, from the validity bits alone."""
        import numpy as np
        import pyarrow.compute as pc

        fields = [pc.is_valid(pc.struct_field(self._column, field.name)) for field in self._column.type]
        present: npt.NDArray[np.bool_] = np.logical_or.reduce([np.asarray(field) for field in fields])
        return present

    def at(self, index: int) -> Image | None:
        return Image(partial(self._read, index)) if self._present[index] else None

    def _read(self, index: int) -> bytes:
        value = self._column[index].as_py()
        return value.get("bytes") or _file(value["path"], self._folder)


def _is_image(feature: Any) -> bool:
    import datasets

    return isinstance(feature, datasets.Image) or (isinstance(feature, dict) and "path" in feature and feature.keys() <= {"bytes", "path"})


def _image(value: Any, folder: Path) -> Any:
    is_path = isinstance(value, dict) and value.keys() == {"path"}
    return Image(partial(_file, value["path"], folder)) if is_path else value


def _file(path: str, folder: Path | None) -> bytes:
    if folder is None:
        raise PromptError(f"image {path}: the row names a file, which is read from a local copy only: set data.root")
    try:
        return (folder / path).read_bytes()
    except OSError as error:
        raise PromptError(f"image {folder / path}: cannot be read: {error.strerror}") from error
