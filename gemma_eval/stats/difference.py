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

from gemma_eval.stats.intervals import CONFIDENCE, clustered_stderr, mean_and_pulls, normal_quantile, student_quantile
from gemma_eval.types import CorpusScore

RESAMPLES = 2000


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences, as a share of the scale (-1 to 1). With fewer than two clusters nothing is known of its error (nan).

    `flips`: for all-or-nothing scores, the (weighted) shares of items gained and lost; they are judged by Tango's score statistic, with
    the effective number of items that gives the clustered standard error. Other scores are judged by Student's t.
    """

    value: float
    n: int
    pulls: Mapping[str, float] = field(repr=False)  # of each cluster on the value; see `stats.mean_and_pulls`
    flips: tuple[float, float] | None = None
    independent: bool = False

    @property
    def clusters(self) -> int:
        return len(self.pulls)

    @cached_property
    def stderr(self) -> float:
        return clustered_stderr(self.pulls.values())

    @property
    def known(self) -> bool:
        return self.clusters > 1

    @cached_property
    def _effective_n(self) -> float:
        """The number of independent items whose flips would have this standard error, fewer where there are few clusters."""
        assert self.flips
        if self.independent:
            return self.n
        if self.stderr < 1e-12:
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
        if self.stderr == 0:  # see `interval`: the share of unseen items that would move the difference to the bound
            unseen = max(0.0, beyond) / (1 - sign * self.value)
            return NormalDist().cdf(-math.sqrt(self.clusters * unseen / (1 - unseen))) if unseen < 1 else 0.0
        smallest = 0.5**self.clusters  # what flipping the signs of all clusters could reach at best
        from scipy.special import stdtr  # not scipy.stats, which takes a second to import

        return max(smallest, float(stdtr(self.clusters - 1, -beyond / self.stderr)))

    def p_value(self) -> float:
        """Two-sided p-value of "no difference": exact (mid-p) McNemar where it applies."""
        if not self.known:
            return math.nan
        if self.flips and self.independent:
            return mcnemar(*(round(share * self.n) for share in self.flips))
        return min(1.0, 2 * min(self.p_above(0.0), self.p_below(0.0)))

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        if not self.known:
            return math.nan, math.nan
        if self.flips:
            z = normal_quantile(confidence)
            return self._where(z), self._where(-z)
        if self.stderr == 0:  # all differences are equal: bound the share of items that might differ from them, as Wilson does
            z = normal_quantile(confidence)
            unseen = z * z / (self.clusters + z * z)
            return (1 - unseen) * self.value - unseen, (1 - unseen) * self.value + unseen
        reach = student_quantile(self.clusters - 1, confidence) * self.stderr
        return max(-1.0, self.value - reach), min(1.0, self.value + reach)

    def _where(self, z: float) -> float:
        """The bound that the flips lie `z` standard errors above."""
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
    """Tango's statistic: how many standard errors, under the hypothesis that it is `bound`, the difference lies above it."""
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
    """`ours` minus `theirs`, item scores of 0 to 1 (or pseudo-values) on the same items in the same order."""
    gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
    if not gaps:
        return Difference(math.nan, 0, {})
    value, pulls = mean_and_pulls(gaps, clusters, subsets)
    if not all(score in (0.0, 1.0) for scores in (ours, theirs) for score in scores):
        return Difference(value, len(gaps), pulls)
    gained, lost = (mean_and_pulls([float(gap == sign) for gap in gaps], clusters, subsets)[0] for sign in (1, -1))
    return Difference(value, len(gaps), pulls, (gained, lost), independent=subsets is None and len(pulls) == len(gaps))


def pooled(differences: Mapping[str, Difference]) -> Difference:
    """The mean of several differences, every one counting the same. Clusters of one name are one: name them by data set."""
    pulls: dict[str, float] = {}
    for found in differences.values():
        for cluster, pull in found.pulls.items():
            pulls[cluster] = pulls.get(cluster, 0.0) + pull / len(differences)
    every = list(differences.values())
    flips = [found.flips for found in every if found.flips]
    records_to_average = (math.fsum(gained for gained, _ in flips) / len(every), math.fsum(lost for _, lost in flips) / len(every))
    value = math.fsum(found.value for found in every) / len(every)
    return Difference(value, sum(found.n for found in every), pulls, records_to_average if len(flips) == len(every) else None)


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact mid-p value of McNemar's test: are gains and losses equally likely?"""
    from scipy.special import bdtr

    fewer, total = min(gained, lost), gained + lost
    if total == 0:
        return 1.0
    return min(1.0, float(bdtr(fewer, total, 0.5)) + (float(bdtr(fewer - 1, total, 0.5)) if fewer else 0.0))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjusted p-values: compared with alpha, they keep the chance of any false finding in the family below it."""
    ranked = sorted((p, name) for name, p in p_values.items() if not math.isnan(p))
    adjusted, largest = dict.fromkeys(p_values, math.nan), 0.0
    for rank, (p, name) in enumerate(ranked):
        largest = max(largest, min(1.0, (len(ranked) - rank) * p))
        adjusted[name] = largest
    return adjusted


@dataclass(frozen=True)
class Bootstrapped:
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
    """Paired bootstrap of a corpus metric: whole clusters are drawn, the same for both systems. ours, theirs: counts [items, counts].

    The interval is the percentiles'; the p-value is the share of resampled differences as far from their mean as the observed one is
    from zero, as in sacrebleu.
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
    low, high = np.quantile(gaps, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    extreme = int((np.abs(gaps - gaps.mean()) >= abs(our - their) - 1e-12).sum())
    return Bootstrapped(float(low), float(high), (extreme + 1) / (RESAMPLES + 1))
