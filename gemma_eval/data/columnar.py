"""Rows of Arrow tables and of parquet files, read in place: a group of rows at a time, and images only when their bytes are wanted."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import accumulate, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_eval.data.rows import Row, Rows, file_bytes, runs
from gemma_eval.types import Image

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

WORKERS = 8  # stores that are made ready at once
BATCH = 1000  # rows that become Python values at once
RECENT = 512 << 20  # bytes of decoded columns that are kept, of all datasets together


class Store(ABC):
    """Columns of rows in groups, such as the row groups of a parquet file. `sizes`: rows of each group. `schema`: the columns."""

    schema: pa.Schema
    sizes: Sequence[int]

    @abstractmethod
    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Some columns of a group."""

    def nulls(self, group: int, column: str) -> list[int] | None:
        """For each field of a struct column, how many of the group's values are null; None if that is only known by reading them."""
        return None

    def fetch(self, groups: Iterable[int], columns: Sequence[str]) -> None:  # noqa: B027 - a store on this machine needs nothing
        """Make columns of these groups ready to be read."""


class ColumnarRows(Rows):
    """The rows of several stores, one after the other. Paths of images are relative to `folder`."""

    def __init__(self, stores: Sequence[Store], folder: Path | None = None) -> None:
        self._groups = [(store, group) for store in stores for group in range(len(store.sizes))]
        self._starts = [0, *accumulate(store.sizes[group] for store, group in self._groups)]
        self._folder = folder
        names = dict.fromkeys(name for store in stores for name in store.schema.names)
        self._images = [
            name for name in names if any(name in store.schema.names and is_image(store.schema.field(name)) for store in stores)
        ]
        self._plain = [name for name in names if name not in self._images]
        self._present = cache(self._find_present)

    def __len__(self) -> int:
        return self._starts[-1]

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        """The rows with these indices, in this order."""
        for group, inside in runs(self._starts, indices, BATCH):
            yield from self._rows(group, inside)

    def fetch(self, indices: Iterable[int]) -> None:
        """Make the images of these rows ready."""
        wanted: dict[Store, set[int]] = {}
        for index in indices if self._images else ():
            store, group = self._groups[bisect_right(self._starts, index) - 1]
            wanted.setdefault(store, set()).add(group)
        with ThreadPoolExecutor(WORKERS, "fetch") as pool:
            list(pool.map(lambda one: one[0].fetch(sorted(one[1]), self._images_of(one[0])), wanted.items()))

    def _images_of(self, store: Store) -> list[str]:
        return [name for name in self._images if name in store.schema.names]

    def _rows(self, group: int, inside: list[int]) -> Iterator[Row]:
        store, number = self._groups[group]
        names = [name for name in self._plain if name in store.schema.names]
        table = recent.table(store, number, names)
        contiguous = inside == list(range(inside[0], inside[0] + len(inside)))
        chosen = table.slice(inside[0], len(inside)) if contiguous else table.take(inside)
        columns = [chosen.column(name).to_pylist() if name in names else [None] * len(inside) for name in self._plain]
        for index, values in zip(inside, zip(*columns, strict=True) if columns else repeat(()), strict=False):
            row = dict(zip(self._plain, values, strict=True))
            for name in self._images:
                row[name] = self._image(group, name, index)
            yield row

    def _image(self, group: int, column: str, index: int) -> Image | None:
        if column not in self._groups[group][0].schema.names or not self._present(group, column)[index]:
            return None
        return Image(partial(self._bytes, group, column, index))

    def _bytes(self, group: int, column: str, index: int) -> bytes:
        store, number = self._groups[group]
        value = recent.table(store, number, [column]).column(column)[index].as_py()
        found: bytes | None = value.get("bytes")
        return file_bytes(value["path"], self._folder) if found is None else found

    def _find_present(self, group: int, column: str) -> npt.NDArray[np.bool_]:
        """Which rows of a group have an image, shape [rows]. Reads the images only if some have one and others do not."""
        import numpy as np
        import pyarrow.compute as pc

        store, number = self._groups[group]
        size = store.sizes[number]
        nulls = store.nulls(number, column)
        if nulls is not None and (0 in nulls or set(nulls) == {size}):
            return np.full(size, 0 in nulls)
        values = recent.table(store, number, [column]).column(column)
        fields = [pc.is_valid(pc.struct_field(values, field.name)) for field in values.type]
        present: npt.NDArray[np.bool_] = np.logical_or.reduce([np.asarray(field) for field in fields])
        return present


class ArrowStore(Store):
    """An Arrow table, which may lie in a memory-mapped file, as one group."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.schema = table.schema
        self.sizes = [table.num_rows]

    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Some columns of the table."""
        return self._table.select(list(columns))


class Recent:
    """The columns that were read last, up to `RECENT` bytes, and at least the very last. Safe to use from several threads."""

    def __init__(self, limit: int = RECENT) -> None:
        self._limit = limit
        self._size = 0
        self._tables: OrderedDict[tuple[int, int, tuple[str, ...]], tuple[Store, pa.Table, int]] = OrderedDict()
        self._lock = threading.Lock()

    def table(self, store: Store, group: int, columns: Sequence[str]) -> pa.Table:
        """Some columns of a group."""
        key = id(store), group, tuple(columns)
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
                return self._tables[key][1]
            table = store.read(group, columns)
            size = table.nbytes  # counted once, since that takes longer than finding a table
            self._tables[key] = store, table, size  # the store is kept too, so that no other gets its id
            self._size += size
            while len(self._tables) > 1 and self._size > self._limit:
                _, (_, _, freed) = self._tables.popitem(last=False)
                self._size -= freed
            return table


recent = Recent()


def is_image(field: pa.Field) -> bool:
    """Whether a column holds images as `datasets` encodes them: a struct of a path and, it may be, bytes."""
    import pyarrow as pa

    if not pa.types.is_struct(field.type):
        return False
    names = {inner.name for inner in field.type}
    return "path" in names and names <= {"bytes", "path"}
