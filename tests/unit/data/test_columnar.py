"""Rows of columns: in batches, in the order asked for, and images only when their bytes are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.data.columnar import BATCH, ArrowStore, ColumnarRows, Recent, Store, is_image
from gemma_eval.errors import PromptError


def stored(images: list[Any], folder: Path | None = None) -> ColumnarRows:
    features = datasets.Features({"n": datasets.Value("int64"), "image": datasets.Image(decode=False)})
    dataset = datasets.Dataset.from_dict({"n": list(range(len(images))), "image": images}, features=features)
    return ColumnarRows([ArrowStore(dataset.data.table)], folder)


def test_images_are_encoded_bytes_files_or_absent(tmp_path: Path) -> None:
    (tmp_path / "here.png").write_bytes(b"in a file")
    paths = [{"bytes": None, "path": "here.png"}, {"bytes": None, "path": "gone.png"}]
    rows = stored([{"bytes": b"embedded", "path": None}, *paths, None], tmp_path)
    first, second, third, fourth = (row["image"] for row in rows)
    assert (first.data, second.data, fourth) == (b"embedded", b"in a file", None)
    with pytest.raises(PromptError, match=r"gone\.png: cannot be read: No such file"):
        _ = third.data
    with pytest.raises(PromptError, match=r"here\.png: .*set data\.root"):
        _ = stored(paths)[0]["image"].data


def test_reading_in_batches_is_reading_one_by_one() -> None:
    rows = stored([{"bytes": str(i).encode(), "path": None} for i in range(2 * BATCH + 7)])
    wanted = [3, 2, 2, BATCH, 2 * BATCH + 6, *range(900, 1200)]
    read = list(rows.read(wanted))
    assert [row["n"] for row in read] == wanted
    assert [row["image"].data for row in read] == [str(i).encode() for i in wanted]
    assert [row["n"] for row in rows] == list(range(len(rows)))
    assert rows[-1]["n"] == len(rows) - 1 and [row["n"] for row in rows[5:7]] == [5, 6]


@pytest.mark.parametrize("order", [[1, 3, 2, 4], [2, 2, 4], [5, 3, 7]])
def test_rows_keep_the_order_in_which_they_are_asked_for(order: list[int]) -> None:
    """In each of these, first and last are as far apart as in a run of neighbouring rows, but it is no run."""
    rows = list(stored([{"bytes": str(i).encode(), "path": None} for i in range(9)]).read(order))
    assert [row["n"] for row in rows] == order
    assert [row["image"].data for row in rows] == [str(i).encode() for i in order]


class Counting(Store):
    """Numbers in groups, with the number of times that a group was read."""

    def __init__(self, *sizes: int) -> None:
        self.schema = pa.schema({"n": pa.int64()})
        self.sizes = sizes
        self.reads: list[int] = []

    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        self.reads.append(group)
        return pa.table({"n": pa.array([100 * group + i for i in range(self.sizes[group])], pa.int64())})


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.data())
def test_any_order_over_any_groups(sizes: list[int], data: st.DataObject) -> None:
    stores = [Counting(*sizes), Counting(2), Counting(*sizes[::-1])]
    rows = ColumnarRows(stores)
    expected = [100 * group + i for store in stores for group, size in enumerate(store.sizes) for i in range(size)]
    assert len(rows) == len(expected)
    assert [row["n"] for row in rows] == expected
    order = data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=12))
    assert [row["n"] for row in rows.read(order)] == [expected[i] for i in order]


def test_a_group_is_read_once_for_many_rows() -> None:
    store = Counting(50, 50)
    rows = ColumnarRows([store])
    assert [row["n"] for row in rows.read([*range(100), 3, 99, 4])][-3:] == [3, 149, 4]
    assert store.reads == [0, 1]


def test_a_column_that_a_file_lacks_is_none() -> None:
    first = ArrowStore(pa.table({"a": [1, 2], "b": ["x", "y"]}))
    image = pa.array([{"bytes": b"png", "path": None}, None], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    rows = ColumnarRows([first, ArrowStore(pa.table({"b": ["z", "w"], "c": [0.5, 1.5], "image": image}))])
    assert [(row["a"], row["b"], row["c"]) for row in rows] == [(1, "x", None), (2, "y", None), (None, "z", 0.5), (None, "w", 1.5)]
    assert [row["image"] and row["image"].data for row in rows] == [None, None, b"png", None]


def test_rows_of_images_alone() -> None:
    image = pa.array([{"bytes": b"a", "path": None}, None], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    assert [row["image"] and row["image"].data for row in ColumnarRows([ArrowStore(pa.table({"image": image}))])] == [b"a", None]


class TestRecent:
    def test_what_was_read_last_is_kept_up_to_a_limit(self) -> None:
        store = Counting(100, 100, 100)  # 800 bytes each
        recent = Recent(limit=1700)
        for group in (0, 1, 0, 2, 0, 1):  # the third group pushes out the second, which was read before the first
            assert recent.table(store, group, ["n"])["n"][0].as_py() == 100 * group
        assert store.reads == [0, 1, 2, 1]

    def test_the_last_one_is_kept_whatever_its_size(self) -> None:
        store = Counting(100, 100)
        recent = Recent(limit=1)
        for group in (0, 0, 1, 1, 0):
            recent.table(store, group, ["n"])
        assert store.reads == [0, 1, 0]

    def test_many_small_ones_cost_no_more_each(self) -> None:
        """Sizes are added up once: a suite reads thousands of tables."""
        counted = []

        class Small(Counting):
            def read(self, group: int, columns: Sequence[str]) -> Any:
                counted.append(0)
                return Sized(len(counted) - 1)

        class Sized:
            def __init__(self, index: int) -> None:
                self.index = index

            @property
            def nbytes(self) -> int:
                counted[self.index] += 1
                return 8

        recent = Recent()
        store = Small(*[1] * 50)
        for group in range(50):
            recent.table(store, group, ["n"])
        assert counted == [1] * 50

    def test_stores_are_told_apart(self) -> None:
        recent = Recent()
        for size in range(1, 60):  # a store that is gone must not lend its id to another one
            assert recent.table(Counting(size), 0, ["n"]).num_rows == size


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.struct({"bytes": pa.binary(), "path": pa.string()}), True),
        (pa.struct({"path": pa.string()}), True),
        (pa.struct({"bytes": pa.binary()}), False),
        (pa.struct({"path": pa.string(), "label": pa.string()}), False),
        (pa.string(), False),
    ],
)
def test_image_columns(kind: pa.DataType, expected: bool) -> None:
    assert is_image(pa.field("image", kind)) is expected
