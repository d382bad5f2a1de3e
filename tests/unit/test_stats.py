from __future__ import annotations

import math
import random

import pytest

from gemma_eval.stats import estimate, wilson

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
    assert naive.stderr == pytest.approx(one.stderr / 2, rel=0.02)


def test_macro_average_weighs_subsets_alike() -> None:
    found = estimate([1.0] * 10 + [0.0] * 90, [str(i) for i in range(100)], ["a"] * 10 + ["b"] * 90)
    assert found.value == pytest.approx(0.5)


def test_independent_subsets_combine_their_standard_errors() -> None:
    a, b = SCORES[:50], SCORES[50:]
    both = estimate(SCORES, ALONE, ["a"] * 50 + ["b"] * 150)
    separate = [estimate(part, [str(i) for i in range(len(part))]).stderr for part in (a, b)]
    assert both.stderr == pytest.approx(math.hypot(*separate) / 2, rel=0.02)  # up to C/(C-1)


@pytest.mark.parametrize(("share", "n", "low", "high"), [(0.0, 10, 0.0, 0.2775), (0.5, 100, 0.4038, 0.5962), (1.0, 20, 0.8389, 1.0)])
def test_wilson_values(share: float, n: int, low: float, high: float) -> None:
    assert wilson(share, n) == pytest.approx((low, high), abs=1e-4)


def test_all_right_in_few_clusters_is_not_certainty() -> None:
    found = estimate([1.0] * 20, [str(i // 10) for i in range(20)])
    assert found.stderr == 0 and found.low < 0.4


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_items_have_no_interval(n: int) -> None:
    found = estimate([1.0] * n, ["a"] * n)
    assert math.isnan(found.stderr) and math.isnan(found.low)
