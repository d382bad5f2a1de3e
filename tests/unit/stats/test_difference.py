"""Paired differences: rounding never puts a difference outside of its interval, and never makes certainty."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.stats.difference import Difference, difference, pooled

SCORES = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0]))
RIGHT_OR_WRONG = st.sampled_from([0.0, 1.0])
PAIRS = st.one_of(
    [
        st.lists(st.tuples(values, values, st.sampled_from("abcdefgh"), st.sampled_from("xyz")), min_size=1, max_size=60)
        for values in (SCORES, RIGHT_OR_WRONG)
    ]
)


def contains(found: Difference, confidence: float = 0.95) -> bool:
    low, high = found.interval(confidence)
    return -1 <= low <= found.value <= high <= 1 if found.known else math.isnan(low) and math.isnan(high)


@given(PAIRS, st.booleans(), st.sampled_from([0.5, 0.95, 0.999999]))
def test_every_interval_contains_its_difference(pairs: list[tuple[float, float, str, str]], macro: bool, confidence: float) -> None:
    ours, theirs, clusters, subsets = ([*column] for column in zip(*pairs, strict=True))
    parts = [difference(ours, theirs, names, subsets if macro else None) for names in (clusters, [str(i) for i in range(len(pairs))])]
    assert all(contains(found, confidence) for found in parts)
    assert contains(pooled({str(i): found for i, found in enumerate(parts)}), confidence)


@pytest.mark.parametrize("each", [1, 3])
def test_all_gained_and_all_lost_end_exactly_at_the_scale(each: int) -> None:
    right, wrong, clusters = [1.0] * 30, [0.0] * 30, [str(i // each) for i in range(30)]
    assert difference(right, wrong, clusters).interval()[1] == 1.0
    assert difference(wrong, right, clusters).interval()[0] == -1.0


def test_equal_differences_are_not_certainty() -> None:
    """0.3 - 0.2 thirty times has a mean that is not exactly 0.3 - 0.2."""
    found = difference([0.3] * 30, [0.2] * 30, [str(i) for i in range(30)])
    low, high = found.interval()
    assert found.stderr == 0 and low < 0 < found.value < high and found.p_value() > 0.01


def test_the_largest_differences_have_p_values() -> None:
    found = Difference(1.0, 9, dict.fromkeys("abc", 0.0))
    assert found.p_above(0.0) < 0.05 and found.p_below(1.0) == 0.5 and found.p_value() < 0.1


def test_lower_limits_exist_at_every_level() -> None:
    """A gate that drives its run looks early at levels that are too small to be written as a confidence."""
    graded = difference([0.2, 0.4, 0.9] * 30, [0.3, 0.4, 0.7] * 30, [str(i) for i in range(90)])
    flips = difference([1.0, 0.0, 1.0] * 30, [1.0, 1.0, 0.0] * 30, [str(i) for i in range(90)])
    for found in (graded, flips):
        limits = [found.lower_limit(level) for level in (0.025, 1e-10, 1e-20, 1e-300)]
        assert limits[0] == pytest.approx(found.interval()[0])
        assert -1 <= limits[3] <= limits[2] < limits[1] < limits[0] < found.value
