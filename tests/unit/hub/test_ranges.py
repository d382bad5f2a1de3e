"""Ranges of bytes, compared with the sets of the bytes in them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.hub import partial
from gemma_eval.hub.partial import Range, joined, without

RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda one: (one[0], one[0] + one[1])), max_size=8)
GAPS = st.integers(0, 9)


def bytes_of(ranges: Iterable[Range]) -> set[int]:
    return {byte for start, end in ranges for byte in range(start, end)}


@given(RANGES)
def test_joined_keeps_the_bytes_in_as_few_ranges_as_can_be(ranges: list[Range]) -> None:
    found = joined(ranges)
    assert bytes_of(found) == bytes_of(ranges)
    assert all(start < end for start, end in found)
    assert all(first[1] < second[0] for first, second in pairwise(found))


@given(RANGES, GAPS)
def test_joined_fills_gaps_up_to_a_length_and_no_longer_ones(ranges: list[Range], gap: int) -> None:
    found = joined(ranges, gap)
    wanted, filled = bytes_of(ranges), bytes_of(found)
    assert wanted <= filled
    assert all(second[0] - first[1] > gap for first, second in pairwise(found))
    assert all(first[1] - first[0] <= gap for first in joined((byte, byte + 1) for byte in filled - wanted))


@given(RANGES, RANGES, GAPS)
def test_without_is_the_difference(wanted: list[Range], have: list[Range], gap: int) -> None:
    asked, there = joined(wanted, gap), joined(have)
    missing = without(asked, there)
    assert bytes_of(missing) == bytes_of(asked) - bytes_of(there)
    assert joined(missing) == missing
    assert without(asked, joined([*there, *missing])) == []


@given(st.integers(0, 500), st.integers(1, 500))
def test_pieces_are_the_range(start: int, length: int) -> None:
    piece, partial.PIECE = partial.PIECE, 64
    try:
        found = partial._pieces((start, start + length))
    finally:
        partial.PIECE = piece
    assert joined(found) == [(start, start + length)]
    assert all(end - begin <= 64 for begin, end in found)
    assert sum(end - begin for begin, end in found) == length
