"""Means, standard errors and intervals: against closed forms and simulation, and that rounding never puts a value outside."""

from __future__ import annotations

import math
import random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.stats.intervals import estimate, pseudo_values, wilson

RANDOM = random.Random(0)
SCORES = [RANDOM.random() for _ in range(200)]
ALONE = [str(i) for i in range(200)]


def test_singleton_clusters_give_the_usual_standard_error() -> None:
    mean = sum(SCORES) / 200
    usual = math.sqrt(sum((x - mean) ** 2 for x in SCORES) / 199 / 200)
    found = estimate(SCORES, ALONE)
    assert found.value == pytest.approx(mean)
    assert found.stderr == pytest.approx(usual)


def test_repeating_every_item_adds_no_evidence() -> None:
    once, thrice = estimate(SCORES, ALONE), estimate(SCORES * 3, ALONE * 3)
    assert thrice.stderr == pytest.approx(once.stderr)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_parallel_languages_are_one_cluster() -> None:
    """The same 50 items in four languages, answered alike: the average knows what one language knows."""
    answers = [float(RANDOM.random() < 0.6) for _ in range(50)]
    ids = [str(i) for i in range(50)]
    languages = [language for language in "abcd" for _ in range(50)]
    one = estimate(answers, ids)
    four = estimate(answers * 4, ids * 4, languages)
    naive = estimate(answers * 4, [str(i) for i in range(200)], languages)
    assert four.stderr == pytest.approx(one.stderr)
    assert naive.stderr == pytest.approx(one.stderr / 2)


def test_macro_average_weighs_subsets_alike() -> None:
    found = estimate([1.0] * 10 + [0.0] * 90, [str(i) for i in range(100)], ["a"] * 10 + ["b"] * 90)
    assert found.value == pytest.approx(0.5)


def test_independent_subsets_combine_their_standard_errors() -> None:
    a, b = SCORES[:50], SCORES[50:]
    both = estimate(SCORES, ALONE, ["a"] * 50 + ["b"] * 150)
    separate = [estimate(part, [str(i) for i in range(len(part))]).stderr for part in (a, b)]
    assert both.stderr == pytest.approx(math.hypot(*separate) / 2)


@pytest.mark.parametrize("size", [2, 3, 10])
def test_small_subsets_have_the_spread_of_fresh_items(size: int) -> None:
    """Fifty subsets of two items each: a residual from the mean of two is half as large, squared, as the error it stands for."""
    draw = np.random.default_rng(size)
    centres, subsets = np.repeat(draw.normal(0.5, 0.2, 50), size), [str(i // size) for i in range(50 * size)]
    samples = [draw.normal(centres, 0.1).tolist() for _ in range(400)]
    foretold = [estimate(sample, [str(i) for i in range(len(sample))], subsets) for sample in samples]
    actual = float(np.std([sum(sample) / len(sample) for sample in samples]))
    assert math.sqrt(sum(one.stderr**2 for one in foretold) / 400) == pytest.approx(actual, rel=0.1)


def test_one_item_of_each_subset_is_not_certainty() -> None:
    """A limit of fifty items over fifty subsets: their spread, between subsets too, is all that is known."""
    single, macro = estimate(SCORES[:50], ALONE[:50]), estimate(SCORES[:50], ALONE[:50], ALONE[:50])
    assert (macro.value, macro.stderr) == pytest.approx((single.value, single.stderr))


@pytest.mark.parametrize(("share", "n", "low", "high"), [(0.0, 10, 0.0, 0.2775), (0.5, 100, 0.4038, 0.5962), (1.0, 20, 0.8389, 1.0)])
def test_wilson_values(share: float, n: int, low: float, high: float) -> None:
    assert wilson(share, n) == pytest.approx((low, high), abs=1e-4)


def test_wilson_of_none_and_of_all_ends_exactly_there() -> None:
    for n in range(1, 5001):
        low, high = wilson(0.0, n)
        assert low == 0.0 < high, n
        low, high = wilson(1.0, n)
        assert low < high == 1.0, n


def test_wilson_contains_every_share_of_few_items() -> None:
    for n in range(1, 301):
        for k in range(n + 1):
            low, high = wilson(k / n, n)
            assert 0 <= low <= k / n <= high <= 1, (k, n)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(1e-3, 1e18))
def test_wilson_contains_the_share(counts: tuple[int, int], effective: float) -> None:
    k, n = counts
    for items in (float(n), effective):  # the effective number of clustered items is any number
        low, high = wilson(k / n, items)
        assert 0 <= low <= k / n <= high <= 1


GRADED = st.floats(0, 1)
RIGHT_OR_WRONG = st.sampled_from([0.0, 1.0])
ITEMS = st.one_of(
    [
        st.lists(st.tuples(values, st.sampled_from("abcdefgh"), st.sampled_from("xyz")), min_size=1, max_size=60)
        for values in (GRADED, RIGHT_OR_WRONG)
    ]
)


@given(ITEMS, st.sampled_from([1.0, 10.0, 100.0]), st.booleans())
def test_every_interval_contains_its_mean(items: list[tuple[float, str, str]], scale: float, macro: bool) -> None:
    """Independent items, clusters, and clusters that span the subsets of a macro average."""
    values, clusters, subsets = ([*column] for column in zip(*items, strict=True))
    for names in (clusters, [str(i) for i in range(len(items))]):
        found = estimate([scale * value for value in values], names, subsets if macro else None, scale)
        assert math.isnan(found.low) == math.isnan(found.high) == (len(set(names)) < 2)
        assert math.isnan(found.low) or 0 <= found.low <= found.value <= found.high <= scale


def test_clusters_that_score_alike_are_not_certainty() -> None:
    """One right of three in every passage. The sums of residuals, which are not exactly zero, are no spread."""
    found = estimate([1.0, 0.0, 0.0] * 20, [str(i // 3) for i in range(60)])
    assert found.stderr == 0 and (found.low, found.high) == pytest.approx(wilson(1 / 3, 20))


def test_all_right_in_few_clusters_is_not_certainty() -> None:
    found = estimate([1.0] * 20, [str(i // 10) for i in range(20)])
    assert found.stderr == 0 and found.low < 0.4


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_items_have_no_interval(n: int) -> None:
    found = estimate([1.0] * n, ["a"] * n)
    assert math.isnan(found.stderr) and math.isnan(found.low)


def ratio(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return counts[..., 0] / np.maximum(counts[..., 1], 1)


def test_pseudo_values_of_a_mean_are_the_items() -> None:
    counts = [[RANDOM.randrange(10), 1] for _ in range(50)]
    assert pseudo_values(counts, ratio) == pytest.approx([first for first, _ in counts])


def test_pseudo_values_average_to_the_corpus_score() -> None:
    counts = [[RANDOM.randrange(10), 5 + RANDOM.randrange(10)] for _ in range(50)]
    assert math.fsum(pseudo_values(counts, ratio)) / 50 == pytest.approx(float(ratio(np.array(counts).sum(axis=0))))
    assert pseudo_values([[1, 2]], ratio) == [0.5]


def test_pseudo_values_have_the_spread_of_fresh_corpora() -> None:
    """The standard error foretells how much the score of another sample of the same size differs."""
    draw = np.random.default_rng(0)

    def corpus(n: int) -> npt.NDArray[np.int64]:
        lengths = draw.integers(1, 40, n)
        return np.stack([draw.binomial(lengths, draw.beta(2, 2, n)), lengths], axis=-1)

    fresh = [float(ratio(corpus(100).sum(axis=0))) for _ in range(2000)]
    foretold = [estimate(pseudo_values(corpus(100).tolist(), ratio), ALONE[:100]).stderr for _ in range(100)]
    assert sum(foretold) / 100 == pytest.approx(float(np.std(fresh)), rel=0.05)


def test_paired_differences_of_corpus_scores() -> None:
    """Two systems on the same items: the error of the difference of two corpus scores comes from the differences of pseudo-values."""
    draw = np.random.default_rng(1)
    lengths = draw.integers(5, 40, 400)
    hard = draw.beta(2, 2, 400)
    systems = [np.stack([draw.binomial(lengths, hard * skill), lengths], axis=-1).tolist() for skill in (0.9, 1.0)]
    worse, better = (pseudo_values(system, ratio) for system in systems)
    clusters = [str(i) for i in range(400)]
    paired = estimate([a - b for a, b in zip(better, worse, strict=True)], clusters, scale=1)
    unpaired = math.hypot(estimate(better, clusters).stderr, estimate(worse, clusters).stderr)
    totals = [np.array(system).sum(axis=0) for system in systems]
    assert paired.value == pytest.approx(float(ratio(totals[1]) - ratio(totals[0])))
    assert paired.stderr < 0.6 * unpaired


def test_scales() -> None:
    small, large = estimate(SCORES, ALONE), estimate([100 * score for score in SCORES], ALONE, scale=100)
    assert (large.value, large.stderr, large.low, large.high) == pytest.approx(
        [100 * x for x in (small.value, small.stderr, small.low, small.high)]
    )
    assert estimate([100.0, 0.0] * 50, ALONE[:100], scale=100).low == pytest.approx(100 * wilson(0.5, 100)[0])
    assert estimate([99.0, 100.0, 100.0], ["a", "b", "c"], scale=100).high == 100
