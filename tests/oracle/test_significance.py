"""Tests and intervals of paired differences against scipy, statsmodels, sacrebleu and published numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sacrebleu
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest, Result
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower

from gemma_eval.metrics import chrf
from gemma_eval.stats import power
from gemma_eval.stats.difference import bootstrap, difference, holm, mcnemar
from gemma_eval.stats.intervals import pseudo_values


def flips(both: int, gained: int, lost: int, neither: int) -> tuple[list[float], list[float], list[str]]:
    ours = [1.0] * (both + gained) + [0.0] * (lost + neither)
    theirs = [1.0] * both + [0.0] * gained + [1.0] * lost + [0.0] * neither
    return ours, theirs, [str(i) for i in range(len(ours))]


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (2, 12), (7, 7), (9, 3), (150, 86)])
def test_mcnemar(gained: int, lost: int) -> None:
    """Mid-p is the exact p-value less the probability of the table itself."""
    exact = statsmodels_mcnemar([[0, lost], [gained, 0]], exact=True).pvalue
    point = stats.binom.pmf(gained, gained + lost, 0.5)
    assert mcnemar(gained, lost) == pytest.approx(1.0 if gained == lost else exact - point)


@pytest.mark.parametrize("table", [(36, 12, 2, 0), (43, 0, 1, 6), (90, 3, 0, 7), (10, 0, 0, 10), (0, 5, 15, 0)])
def test_score_interval_of_paired_proportions(table: tuple[int, int, int, int]) -> None:
    """Tango's interval by its definition: restricted maximum likelihood by numerical search, the score test inverted by root finding."""
    _, gained, lost, _ = table
    n = sum(table)

    def statistic(bound: float) -> float:
        def loss(lost_share: float) -> float:
            gained_share = lost_share + bound
            rest = 1 - gained_share - lost_share
            terms = ((gained, gained_share), (lost, lost_share), (n - gained - lost, rest))
            return -sum(count * math.log(max(share, 1e-300)) for count, share in terms if count)

        low, high = max(0.0, -bound), (1 - bound) / 2
        found = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
        variance = n * (2 * found + bound - bound * bound)
        return float((gained - lost - n * bound) / math.sqrt(variance))

    z = stats.norm.ppf(0.975)
    value = (gained - lost) / n
    low = optimize.brentq(lambda bound: statistic(bound) - z, -0.9999, value - 1e-6)
    high = optimize.brentq(lambda bound: statistic(bound) + z, value + 1e-6, 0.9999)
    assert difference(*flips(*table)).interval() == pytest.approx((low, high), abs=1e-3)


def test_published_score_interval() -> None:
    """Newcombe (1998, Statistics in Medicine 17:2635), table of 36, 12, 2 and 0: Tango's interval is 0.0611 to 0.3447."""
    assert difference(*flips(36, 12, 2, 0)).interval() == pytest.approx((0.0611, 0.3447), abs=5e-5)


def test_graded_scores_are_a_paired_t_test() -> None:
    draw = np.random.default_rng(0)
    theirs = draw.beta(2, 2, 60)
    ours = np.clip(theirs + draw.normal(0.03, 0.1, 60), 0, 0.999)
    found = difference(ours.tolist(), theirs.tolist(), [str(i) for i in range(60)])
    expected = stats.ttest_rel(ours, theirs)
    interval = expected.confidence_interval()
    assert found.p_value() == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx((interval.low, interval.high))
    assert found.p_above(-0.02) == pytest.approx(stats.ttest_1samp(ours - theirs, -0.02, alternative="greater").pvalue)


def test_clustered_errors_are_those_of_a_regression() -> None:
    """Cluster-robust errors of a regression on a constant, with the correction C/(C-1)."""
    import statsmodels.api as sm

    draw = np.random.default_rng(1)
    clusters = np.repeat(np.arange(25), draw.integers(1, 7, 25))
    gaps = draw.normal(0, 0.1, 25)[clusters] + draw.normal(0, 0.1, len(clusters))
    fitted = sm.OLS(gaps, np.ones(len(gaps))).fit(cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False})
    found = difference((gaps / 2 + 0.5).tolist(), (0.5 - gaps / 2).tolist(), [str(c) for c in clusters])
    assert found.stderr == pytest.approx(float(fitted.bse[0]) * math.sqrt(25 / 24))


def test_holm() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005, 0.2, 0.2, 1e-6]
    found = holm({str(i): p for i, p in enumerate(p_values)} | {"unknown": math.nan})
    assert [found[str(i)] for i in range(len(p_values))] == pytest.approx(multipletests(p_values, method="holm")[1])
    assert math.isnan(found["unknown"])


def test_bootstrap_of_chrf() -> None:
    """Against sacrebleu's paired bootstrap on the same texts: scores, and the p-value within what 2,000 resamples allow."""
    draw = np.random.default_rng(2)
    words = ["the", "river", "runs", "over", "old", "stones", "while", "children", "count", "boats", "quietly", "home"]
    golds = [" ".join(draw.choice(words, 12)) for _ in range(60)]

    def system(kept: float) -> list[str]:
        return [" ".join(w if draw.random() < kept else draw.choice(words) for w in gold.split()) for gold in golds]

    base, better = system(0.7), system(0.73)
    _, theirs = PairedTest(
        [("base", base), ("better", better)], {"chrF": CHRF()}, [golds], test_type="bs", n_samples=2000
    )()  # fmt: skip
    counts = [np.array([chrf.counts(text, [gold]) for text, gold in zip(texts, golds, strict=True)]) for texts in (better, base)]
    found = bootstrap(counts[0], counts[1], chrf.score, [str(i) for i in range(60)])
    scores = [float(chrf.score(table.sum(axis=0))) for table in counts]
    assert scores == pytest.approx([sacrebleu.corpus_chrf(texts, [golds]).score for texts in (better, base)])
    judged = next(results[1] for metric, results in theirs.items() if metric != "System")
    assert isinstance(judged, Result) and judged.p_value is not None
    expected = judged.p_value
    assert found.p_value == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 2000) + 0.002)
    assert found.low < scores[0] - scores[1] < found.high
    pseudo = [[value / 100 for value in pseudo_values(table.tolist(), chrf.score)] for table in counts]
    low, high = difference(pseudo[0], pseudo[1], [str(i) for i in range(60)]).interval()
    assert (found.high - found.low) / 100 == pytest.approx(high - low, rel=0.15)


def test_power_of_the_published_example() -> None:
    """Miller (2024, arXiv 2411.00640, section 5): 969 questions for 3 points; 13.3 and 7.6 points on 198 questions, 1 and 10 samples."""
    between, within = 1 / 9, 1 / 6 + 1 / 6  # variance between items, and of the answers to one item of both systems
    assert power.items_needed(0.03, between) == 969
    assert power.detectable(198, between + within) == pytest.approx(0.1327, abs=1e-4)
    assert power.detectable(198, between + within / 10) == pytest.approx(0.0757, abs=1e-4)


@pytest.mark.parametrize(("sides", "alternative"), [(2, "two-sided"), (1, "larger")])
def test_power_by_statsmodels(sides: int, alternative: str) -> None:
    needed = NormalIndPower(ddof=0).solve_power(0.02 / math.sqrt(0.1), alpha=0.05, power=0.8, ratio=0, alternative=alternative)
    assert power.items_needed(0.02, 0.1, sides=sides) == math.ceil(needed)
    assert power.detectable(needed, 0.1, sides=sides) == pytest.approx(0.02, rel=1e-4)
