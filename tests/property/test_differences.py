"""Simulation, with fixed seeds: intervals of paired differences cover, and the tests keep their level.

Bounds are Monte-Carlo error: with 2,000 repetitions, three standard errors of a share of 0.95 are 0.015. With half as many clusters
of unequal weight (`parallel`), or skewed graded scores (`graded`), coverage is 0.93.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from gemma_eval.stats.difference import Difference, difference

REPETITIONS = 2000
ERROR = 3 * (0.95 * 0.05 / REPETITIONS) ** 0.5
Floats = npt.NDArray[np.float64]
World = Callable[[np.random.Generator], tuple[Difference, float]]  # one experiment, and the true difference


def names(count: int, each: int = 1) -> list[str]:
    return [str(i // each) for i in range(count * each)]


def correlated(draw: np.random.Generator, n: int, a: float, b: float, agree: float) -> tuple[Floats, Floats]:
    """Right/wrong answers of two systems: a share `agree` of items gives both the same draw."""
    luck = draw.random(n)
    other = np.where(draw.random(n) < agree, luck, draw.random(n))
    return (luck < a).astype(float), (other < b).astype(float)


def independent(n: int, a: float, b: float, agree: float) -> World:
    def world(draw: np.random.Generator) -> tuple[Difference, float]:
        ours, theirs = correlated(draw, n, b, a, agree)
        return difference(ours.tolist(), theirs.tolist(), names(n)), b - a

    return world


def clustered(count: int, each: int) -> World:
    """Passages with several questions: a passage may go wrong as a whole."""

    def world(draw: np.random.Generator) -> tuple[Difference, float]:
        hard = np.repeat(draw.beta(2, 2, count), each)
        lost = np.repeat(draw.random(count) < 0.1, each)
        theirs = (draw.random(count * each) < hard).astype(float)
        ours = np.where(lost, 0.0, theirs)
        return difference(ours.tolist(), theirs.tolist(), names(count, each)), -0.05

    return world


def parallel(count: int) -> World:
    """The same items in three languages of unequal size; the score is the mean over languages, the item is the cluster."""

    def world(draw: np.random.Generator) -> tuple[Difference, float]:
        broken = draw.random(count) < 0.15
        theirs, ours, clusters, subsets = [], [], [], []
        for language, size in enumerate((count, count // 2, count // 3)):
            right = draw.random(size) < 0.7
            theirs += right.astype(float).tolist()
            ours += (right & ~(broken[:size] & (draw.random(size) < 0.8))).astype(float).tolist()
            clusters += [str(i) for i in range(size)]
            subsets += [str(language)] * size
        return difference(ours, theirs, clusters, subsets), -0.7 * 0.15 * 0.8

    return world


def graded(n: int) -> World:
    """Token F1: scores between 0 and 1, skewed."""

    def world(draw: np.random.Generator) -> tuple[Difference, float]:
        theirs = draw.beta(0.5, 0.3, n)
        ours = theirs * draw.beta(8, 1, n)
        return difference(ours.tolist(), theirs.tolist(), names(n)), -(0.5 / 0.8) / 9

    return world


WORLDS = {
    "moderate": independent(200, 0.6, 0.55, 0.7),
    "small n": independent(20, 0.7, 0.6, 0.5),
    "near 1": independent(50, 0.98, 0.96, 0.5),
    "near 0": independent(100, 0.02, 0.02, 0.5),
    "no flips but one": independent(150, 0.5, 0.5, 0.99),
    "clusters": clustered(60, 6),
    "parallel languages": parallel(160),
    "graded": graded(100),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_intervals_cover(world: World) -> None:
    draw = np.random.default_rng(1)
    covered = 0
    for _ in range(REPETITIONS):
        found, truth = world(draw)
        low, high = found.interval()
        covered += low <= truth <= high
    assert covered / REPETITIONS >= 0.95 - ERROR


def test_intervals_are_not_wider_than_they_need_to_be() -> None:
    draw = np.random.default_rng(2)
    found = [WORLDS["moderate"](draw) for _ in range(REPETITIONS)]
    covered = sum(one.interval()[0] <= truth <= one.interval()[1] for one, truth in found) / REPETITIONS
    assert covered <= 0.95 + ERROR


@pytest.mark.parametrize(("n", "share", "agree"), [(200, 0.6, 0.7), (30, 0.5, 0.5), (100, 0.95, 0.5)])
def test_false_findings_stay_below_alpha(n: int, share: float, agree: float) -> None:
    draw = np.random.default_rng(3)
    null = independent(n, share, share, agree)
    found = [null(draw)[0] for _ in range(REPETITIONS)]
    assert sum(one.p_value() <= 0.05 for one in found) / REPETITIONS <= 0.05 + ERROR
    assert sum(one.p_below(0.0) <= 0.05 for one in found) / REPETITIONS <= 0.05 + ERROR


def test_ignoring_clusters_would_not_cover() -> None:
    """The clusters of this simulation matter: taken for independent, the same items give an interval that is too narrow."""
    draw = np.random.default_rng(4)
    covered = 0
    for _ in range(500):
        found, truth = clustered(60, 6)(draw)
        naive = Difference(found.value, found.n, {str(i): 0.0 for i in range(found.n)}, found.flips, independent=True)
        low, high = naive.interval()
        covered += low <= truth <= high
    assert covered / 500 < 0.9
