"""Two systems on the same items: the difference of their scores, its interval, and tests.

Sources: Miller (2024), arXiv 2411.00640 (paired, clustered differences); Tango (1998, Statistics in Medicine 17:891) for paired
proportions, whose score interval is right where the normal one is not (few discordant items, shares near 0 and 1); McNemar's test as
its exact mid-p form (Fagerland, Lydersen & Laake, 2013, BMC Med. Res. Methodol. 13:91); Holm (1979); Koehn (2004) for the bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from gemma_eval.stats.intervals import (
    CONFIDENCE,
    bounded,
    check_finite,
    clustered_stderr,
    mean_and_pulls,
    normal_quantile,
    student_quantile,
)
from gemma_eval.types import CorpusScore

RESAMPLES = 2000


@dataclass(frozen=True)
class Difference:
    """Mean of the paired differences of `n` items, as a share of the scale (-1 to 1).

    With fewer than two clusters nothing is known of its error: standard error, p-values and interval are nan. `flips` are the weighted
    shares of items gained and lost, for all-or-nothing scores. They are judged by Tango's score statistic, with the effective number of
    items that gives the clustered standard error. Other scores are judged by Student's t. `independent`: every item is its own cluster.
    """

    value: float
    n: int
    pulls: Mapping[str, float] = field(repr=False)  # of each cluster on the value; see `intervals.mean_and_pulls`
    flips: tuple[float, float] | None = None
    independent: bool = False

    @property
    def clusters(self) -> int:
        """How many clusters the items form."""
        return len(self.pulls)

    @cached_property
    def stderr(self) -> float:
        """Clustered standard error of the difference; nan for fewer than two clusters."""
        return clustered_stderr(self.pulls.values())

    @property
    def known(self) -> bool:
        """Whether anything is known of the error."""
        return self.clusters > 1

    @cached_property
    def _effective_n(self) -> float:
        """The number of independent items whose flips would have this standard error; smaller where there are few clusters."""
        assert self.flips
        if self.independent:
            return self.n
        if self.stderr == 0:
            return self.clusters
        variance = sum(self.flips) - self.value**2
        shrink = (normal_quantile() / student_quantile(self.clusters - 1)) ** 2
        return min(float(self.n), shrink * variance / self.stderr**2)

    def p_above(self, bound: float) -> float:
        """One-sided p-value against "the true difference is at most `bound`"."""
        return self._tail(-1, bound)

    def p_below(self, bound: float) -> float:
        """One-sided p-value against "the true difference is at least `bound`"."""
        return self._tail(1, bound)

    def _tail(self, sign: int, bound: float) -> float:
        if not self.known:
            return math.nan
        if self.flips:
            z = _tango(self.flips[0], self.flips[1], self._effective_n, bound)
            return NormalDist().cdf(sign * z)
        beyond = sign * (bound - self.value)
        if self.stderr == 0:  # as in `_limits`: the share of differing items that would move the difference to the bound
            differing = beyond / (1 - sign * self.value) if beyond > 0 else 0.0
            return NormalDist().cdf(-math.sqrt(self.clusters * differing / (1 - differing))) if differing < 1 else 0.0
        smallest = 0.5**self.clusters  # the least that a test by flipping the signs of all clusters could give
        from scipy.special import stdtr  # not scipy.stats, which takes a second to import

        return max(smallest, float(stdtr(self.clusters - 1, -beyond / self.stderr)))

    def p_value(self) -> float:
        """Two-sided p-value against "there is no difference". McNemar's exact mid-p test where items are independent and flip."""
        if not self.known:
            return math.nan
        if self.flips and self.independent:
            return mcnemar(*(round(share * self.n) for share in self.flips))
        return min(1.0, 2 * min(self.p_above(0.0), self.p_below(0.0)))

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The interval of the difference, which contains it and stays within -1 to 1."""
        return self._limits((1 - confidence) / 2)

    def lower_limit(self, level: float) -> float:
        """The one-sided lower limit: the true difference lies below it with chance `level`, which may be as small as 1e-300."""
        return self._limits(level)[0]

    def _limits(self, tail: float) -> tuple[float, float]:
        """The limits that the true difference lies beyond with chance `tail`, on either side."""
        if not self.known:
            return math.nan, math.nan
        z = -NormalDist().inv_cdf(tail)
        if self.flips:
            low, high = self._where(z), self._where(-z)
        elif self.stderr == 0:  # all differences are equal: bound the share of items that might differ from them, as Wilson does
            differing = z * z / (self.clusters + z * z)
            low, high = ((1 - differing) * self.value + sign * differing for sign in (-1, 1))
        else:
            from scipy.special import stdtrit

            reach = -float(stdtrit(self.clusters - 1, tail)) * self.stderr
            low, high = self.value - reach, self.value + reach
        return bounded(self.value, low, high, -1.0, 1.0)

    def _where(self, z: float) -> float:
        """The hypothesis that the flips lie `z` standard errors above, found by bisection."""
        assert self.flips
        low, high = -1.0, 1.0
        for _ in range(50):
            middle = (low + high) / 2
            if _tango(self.flips[0], self.flips[1], self._effective_n, middle) > z:
                low = middle
            else:
                high = middle
        return (low + high) / 2


def _tango(gained: float, lost: float, n: float, bound: float) -> float:
    """Tango's statistic: how many standard errors the difference lies above `bound`, under the hypothesis that it is `bound`."""
    b, c = gained * n, lost * n
    linear = -b - c + (2 * n - b + c) * bound
    constant = -c * bound * (1 - bound)
    share = (math.sqrt(max(0.0, linear * linear - 8 * n * constant)) - linear) / (4 * n)  # of lost items, likeliest under the hypothesis
    variance = n * (2 * share + bound * (1 - bound))
    excess = b - c - n * bound
    if variance <= 0:
        return math.copysign(math.inf, excess) if excess else 0.0
    return excess / math.sqrt(variance)


def difference(ours: Sequence[float], theirs: Sequence[float], clusters: Sequence[str], subsets: Sequence[str] | None = None) -> Difference:
    """`ours` minus `theirs`: scores of 0 to 1 (or pseudo-values) on the same items in the same order.

    ours, theirs, clusters, subsets: [items]. With `subsets`, the unweighted mean of the subsets' differences.
    """
    gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
    if not gaps:
        return Difference(math.nan, 0, {})
    value, pulls = mean_and_pulls(gaps, clusters, subsets)
    if not all(score in (0.0, 1.0) for scores in (ours, theirs) for score in scores):
        return Difference(value, len(gaps), pulls)
    gained, lost = (mean_and_pulls([float(gap == sign) for gap in gaps], clusters, subsets)[0] for sign in (1, -1))
    return Difference(value, len(gaps), pulls, (gained, lost), independent=subsets is None and len(pulls) == len(gaps))


def pooled(differences: Mapping[str, Difference]) -> Difference:
    """The unweighted mean of several differences. Clusters with the same name are one cluster: name them by data set."""
    pulls: dict[str, float] = {}
    for found in differences.values():
        for cluster, pull in found.pulls.items():
            pulls[cluster] = pulls.get(cluster, 0.0) + pull / len(differences)
    every = list(differences.values())
    value = math.fsum(found.value for found in every) / len(every)
    flips = [found.flips for found in every if found.flips]
    mean_flips = (math.fsum(gained for gained, _ in flips) / len(every), math.fsum(lost for _, lost in flips) / len(every))
    return Difference(value, sum(found.n for found in every), pulls, mean_flips if len(flips) == len(every) else None)


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact mid-p value of McNemar's test against "gains and losses are equally likely". gained, lost: numbers of items."""
    from scipy.special import bdtr

    fewer, total = min(gained, lost), gained + lost
    if total == 0:
        return 1.0
    return min(1.0, float(bdtr(fewer, total, 0.5)) + (float(bdtr(fewer - 1, total, 0.5)) if fewer else 0.0))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjusted p-values (1979), by name; nan stays nan.

    Compared with alpha, they keep the chance of any false finding among all of them below alpha.
    """
    ranked = sorted((p, name) for name, p in p_values.items() if not math.isnan(p))
    adjusted, largest = dict.fromkeys(p_values, math.nan), 0.0
    for rank, (p, name) in enumerate(ranked):
        largest = max(largest, min(1.0, (len(ranked) - rank) * p))
        adjusted[name] = largest
    return adjusted


@dataclass(frozen=True)
class Bootstrapped:
    """The 95 % interval of a resampled difference, in the metric's unit, and its two-sided p-value."""

    low: float
    high: float
    p_value: float


def bootstrap(
    ours: npt.NDArray[np.int64],
    theirs: npt.NDArray[np.int64],
    score: CorpusScore,
    clusters: Sequence[str],
    subsets: Sequence[str] | None = None,
    seed: int = 12345,
) -> Bootstrapped:
    """Paired bootstrap (Koehn, 2004) of a corpus metric. Whole clusters are drawn, the same ones for both systems.

    ours, theirs: [items, counts]; clusters, subsets: [items]. All results are nan for a single cluster. The interval lies between the
    percentiles of the resampled differences. The p-value is the share of resampled differences that are as far from their mean as the
    observed one is from zero, as in sacrebleu. Raises `ValueError` if a score is not finite.
    """
    _, number = np.unique(np.asarray(clusters), return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(number.max() + 1, np.full(number.max() + 1, 1 / (number.max() + 1)), RESAMPLES)
    groups = np.asarray(subsets if subsets is not None else [""] * len(clusters))
    if number.max() == 0:
        return Bootstrapped(math.nan, math.nan, math.nan)

    def scores(counts: npt.NDArray[np.int64]) -> tuple[float, npt.NDArray[np.float64]]:
        observed, resampled = 0.0, np.zeros(RESAMPLES)
        names = np.unique(groups)
        for name in names:
            of_group = groups == name
            sums = np.zeros((number.max() + 1, counts.shape[1]), dtype=np.int64)
            np.add.at(sums, number[of_group], counts[of_group])
            observed += float(score(sums.sum(axis=0))) / len(names)
            resampled += score(drawn @ sums) / len(names)
        return observed, resampled

    (our, our_draws), (their, their_draws) = scores(ours), scores(theirs)
    gaps = our_draws - their_draws
    check_finite([our, their, *gaps])
    low, high = np.quantile(gaps, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    extreme = int((np.abs(gaps - gaps.mean()) >= abs(our - their) - 1e-12).sum())
    return Bootstrapped(float(low), float(high), (extreme + 1) / (RESAMPLES + 1))
