"""Parquet files, read in place. Of a file that is on this machine in part, only the columns and row groups that are read are fetched."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gemma_eval.data.columnar import Store, is_image
from gemma_eval.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FOOTER = 64 << 10  # bytes that are fetched of a file's end; nearly all footers are shorter
TAIL = 8  # bytes after the footer: its length, and "PAR1"
WORTH = 0.5  # share of a file beyond which it is fetched whole


class Ranges(Protocol):
    """A file that is here in part. `path`: a file of the whole length that may be read where `ensure` has been."""

    path: Path
    size: int

    def ensure(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Fetch what is missing of these ranges: first byte, and the byte after the last."""
        ...

    def missing_bytes(self, ranges: Iterable[tuple[int, int]]) -> int:
        """How much `ensure` would fetch."""
        ...


class ParquetStore(Store):
    """One parquet file. Raises `DataError`, naming the file, if it is none."""

    def __init__(self, name: str, whole: Callable[[], Path], part: Ranges | None = None, *, lasting: bool = True) -> None:
        """`whole` fetches the file and says where it is. With `part`, it is fetched whole only if most of it is wanted.

        `lasting`: whether it is a copy of a file on the Hub.
        """
        self._name = name
        self._lasting = lasting
        self._whole = whole
        self._part = part
        if part:
            part.ensure([(max(0, part.size - FOOTER), part.size)])
            part.ensure([(max(0, part.size - _footer_length(part) - TAIL), part.size)])
        self._path = part.path if part else whole()
        with self._opened() as file:
            self._metadata = file.metadata
            self.schema = file.schema_arrow
        self.sizes = [self._metadata.row_group(i).num_rows for i in range(self._metadata.num_row_groups)]
        self.fetch(range(len(self.sizes)), [field.name for field in self.schema if not is_image(field)])

    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Some columns of a row group. What nobody has asked to fetch is missing in many places: the file is fetched whole."""
        if self._part and self._part.missing_bytes(self._ranges([group], columns)):
            self._use_whole()
        with self._opened(self._metadata) as file:
            return file.read_row_group(group, columns=list(columns))

    def nulls(self, group: int, column: str) -> list[int] | None:
        """From the statistics in the file's footer."""
        counts = []
        for leaf in self._leaves[column]:
            statistics = self._metadata.row_group(group).column(leaf).statistics
            if statistics is None or not statistics.has_null_count:
                return None
            counts.append(statistics.null_count)
        return counts

    def fetch(self, groups: Iterable[int], columns: Sequence[str]) -> None:
        """Fetch columns of these groups, or the whole file if that is most of it."""
        if self._part is None:
            return
        ranges = self._ranges(groups, columns)
        if self._part.missing_bytes(ranges) > WORTH * self._part.size:
            self._use_whole()
        else:
            self._part.ensure(ranges)

    def _use_whole(self) -> None:
        self._path = self._whole()
        self._part = None

    def _ranges(self, groups: Iterable[int], columns: Sequence[str]) -> list[tuple[int, int]]:
        """Where columns of these groups lie in the file."""
        leaves = [leaf for name in columns for leaf in self._leaves[name]]
        chunks = [self._metadata.row_group(group).column(leaf) for group in groups for leaf in leaves]
        starts = [min(chunk.dictionary_page_offset or chunk.data_page_offset, chunk.data_page_offset) for chunk in chunks]
        return [(start, start + chunk.total_compressed_size) for start, chunk in zip(starts, chunks, strict=True)]

    @cached_property
    def _leaves(self) -> dict[str, list[int]]:
        """By column, the numbers of its leaves: a struct has one for each field."""
        found: dict[str, list[int]] = {name: [] for name in self.schema.names}
        schema = self._metadata.schema
        for leaf in range(len(schema)):
            path = schema.column(leaf).path
            name = next(name for name in found if path == name or path.startswith(f"{name}."))
            found[name].append(leaf)
        return found

    @contextmanager
    def _opened(self, metadata: pq.FileMetaData | None = None) -> Iterator[pq.ParquetFile]:
        """The file, open for one use: a suite reads more files than a process may have open."""
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self._path, metadata=metadata) as file:
                yield file
        except (OSError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise DataError(f"{self._name}: not a whole parquet file ({reason}): {mend(self._path, self._lasting)}") from error


def mend(path: Path, lasting: bool) -> str:
    """What helps against a file that cannot be read. `lasting`: whether it is a copy of one on the Hub."""
    return f"delete {path.resolve()} and run the same command again" if lasting else f"mend {path.resolve()}, or copy it anew"


def _footer_length(part: Ranges) -> int:
    with part.path.open("rb") as stream:
        stream.seek(max(0, part.size - TAIL))
        length, magic = struct.unpack("<I4s", stream.read(TAIL).rjust(TAIL, b"\0"))
    return int(length) if magic == b"PAR1" else 0
