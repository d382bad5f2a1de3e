"""Parquet files are read in place, whole or in ranges, and a damaged one is named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gemma_eval.data.columnar import ColumnarRows
from gemma_eval.data.parquet import FOOTER, ParquetStore
from gemma_eval.errors import DataError
from gemma_eval.hub.partial import Range, joined, without
from gemma_eval.types import Image

GROUP = 4
ROWS = 32
SIZE = 20_000  # bytes of an image


class Part:
    """A file of which only the ranges that were asked for are there; all other bytes are zero."""

    def __init__(self, source: Path, path: Path) -> None:
        self.path = path
        self.size = source.stat().st_size
        self.have: list[Range] = []
        self._content = source.read_bytes()
        path.write_bytes(bytes(self.size))

    def ensure(self, ranges: Iterable[Range]) -> None:
        with self.path.open("r+b") as stream:
            for start, end in joined(ranges):
                assert 0 <= start < end <= self.size
                stream.seek(start)
                stream.write(self._content[start:end])
                self.have = joined([*self.have, (start, end)])

    def missing_bytes(self, ranges: Iterable[Range]) -> int:
        return sum(end - start for start, end in without(joined(ranges), self.have))

    @property
    def bytes_here(self) -> int:
        return sum(end - start for start, end in self.have)


def image(number: int) -> dict[str, Any]:
    return {"bytes": number.to_bytes(4, "big") * (SIZE // 4), "path": f"{number}.png"}


def write(file: Path, images: Sequence[Any], **options: Any) -> Path:
    """Rows with an image column, in row groups of four."""
    features = datasets.Features(
        {"n": datasets.Value("int64"), "words": datasets.List(datasets.Value("string")), "image": datasets.Image()}
    )
    table = pa.Table.from_pylist(
        [{"n": n, "words": ["a", str(n)], "image": image} for n, image in enumerate(images)], schema=features.arrow_schema
    )
    pq.write_table(table, file, row_group_size=GROUP, compression="none", use_dictionary=False, **options)
    return file


def refuse() -> Path:
    raise AssertionError("the whole file was fetched")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "whole.parquet", [image(n) for n in range(ROWS)])


@pytest.fixture
def part(file: Path, tmp_path: Path) -> Part:
    return Part(file, tmp_path / "part.parquet")


def test_a_whole_file(file: Path) -> None:
    rows = ColumnarRows([ParquetStore("name", lambda: file)])
    assert [row["n"] for row in rows] == list(range(ROWS))
    assert rows[9]["words"] == ["a", "9"]
    assert rows[9]["image"].data == image(9)["bytes"]


def test_a_part_holds_the_plain_columns_and_the_groups_that_are_drawn(file: Path, part: Part) -> None:
    rows = ColumnarRows([ParquetStore("name", refuse, part)])
    plain = part.bytes_here
    assert [(row["n"], row["words"]) for row in rows] == [(n, ["a", str(n)]) for n in range(ROWS)]
    assert all(isinstance(row["image"], Image) for row in rows)
    assert part.bytes_here == plain < FOOTER + 8 * 600
    rows.fetch([5, 6, 30])
    drawn = part.bytes_here - plain
    assert GROUP * SIZE < drawn < 2 * GROUP * SIZE + 8 * 600  # the last group is among the last 64 kB
    assert [row["image"].data for row in rows.read([30, 5])] == [image(30)["bytes"], image(5)["bytes"]]
    assert part.bytes_here == plain + drawn


def test_what_nobody_asked_for_is_read_from_the_whole_file(file: Path, part: Part) -> None:
    fetched = []

    def whole() -> Path:
        fetched.append(1)
        return file

    rows = ColumnarRows([ParquetStore("name", whole, part)])
    assert [row["image"].data for row in rows.read([0, 9])] == [image(0)["bytes"], image(9)["bytes"]]
    assert fetched == [1]


def test_most_of_a_file_is_fetched_whole(file: Path, part: Part) -> None:
    rows = ColumnarRows([ParquetStore("name", lambda: file, part)])
    before = part.bytes_here
    rows.fetch(range(24))
    assert part.bytes_here == before
    assert rows[3]["image"].data == image(3)["bytes"]


def test_a_long_footer(tmp_path: Path) -> None:
    """It is longer than what is fetched of the end at first."""
    table = pa.table({f"column_{i}": [i, i] for i in range(400)})
    pq.write_table(table, tmp_path / "wide.parquet", row_group_size=1)
    footer = pq.read_metadata(tmp_path / "wide.parquet").serialized_size
    assert footer > FOOTER
    part = Part(tmp_path / "wide.parquet", tmp_path / "part.parquet")
    rows = ColumnarRows([ParquetStore("name", lambda: tmp_path / "wide.parquet", part)])
    assert rows[1] == {f"column_{i}": i for i in range(400)}


@pytest.mark.parametrize("write_statistics", [True, False])
@pytest.mark.parametrize("absent", [(), (0, 1, 2, 3), (1, 6), tuple(range(8))])
def test_rows_without_an_image(tmp_path: Path, absent: tuple[int, ...], write_statistics: bool) -> None:
    images = [None if n in absent else image(n) for n in range(8)]
    file = write(tmp_path / "some.parquet", images, write_statistics=write_statistics)
    store = ParquetStore("name", lambda: file)
    assert (store.nulls(0, "image") is None) is not write_statistics
    for rows in (ColumnarRows([store]), ColumnarRows([ParquetStore("name", lambda: file, Part(file, tmp_path / "part"))])):
        found = [row["image"] and row["image"].data for row in rows]
        assert found == [one and one["bytes"] for one in images]


def test_bytes_without_a_path_and_a_path_without_bytes(tmp_path: Path) -> None:
    (tmp_path / "here.png").write_bytes(b"in a file")
    images = [{"bytes": b"inside", "path": None}, {"bytes": None, "path": "here.png"}, {"bytes": b"", "path": None}, None]
    file = write(tmp_path / "some.parquet", images)
    rows = ColumnarRows([ParquetStore("name", lambda: file)], tmp_path)
    assert [row["image"] and row["image"].data for row in rows] == [b"inside", b"in a file", b"", None]


@pytest.mark.parametrize("kept", [0, 4, 100, -1, -9])
def test_a_truncated_file_is_named(file: Path, kept: int) -> None:
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"^data/x\.parquet: not a whole parquet file \(.+\): delete .*whole\.parquet and run") as raised:
        ParquetStore("data/x.parquet", lambda: file)
    assert "\n" not in str(raised.value)


def test_a_page_in_place_of_a_file_is_named(file: Path, tmp_path: Path) -> None:
    file.write_text("<html>" * 100)
    for part in (None, Part(file, tmp_path / "part.parquet")):
        with pytest.raises(DataError, match=r"^name: not a whole parquet file"):
            ParquetStore("name", lambda: file, part)


def test_damage_inside_is_named_when_it_is_read(file: Path) -> None:
    content = bytearray(file.read_bytes())
    start = pq.read_metadata(file).row_group(2).column(0).data_page_offset
    content[start : start + 30] = b"\xff" * 30
    file.write_bytes(content)
    rows = ColumnarRows([ParquetStore("data/x.parquet", lambda: file)])
    assert rows[0]["n"] == 0
    with pytest.raises(DataError, match=r"^data/x\.parquet: not a whole parquet file"):
        list(rows)


def test_files_are_open_only_while_they_are_read(file: Path) -> None:
    """A suite reads more files than a process may have open."""
    here = Path("/proc/self/fd")
    if not here.is_dir():
        pytest.skip("/proc is not there")
    before = len(list(here.iterdir()))
    stores = [ParquetStore("name", lambda: file) for _ in range(20)]
    assert len(list(ColumnarRows(stores))) == 20 * ROWS
    assert len(list(here.iterdir())) < before + 10
