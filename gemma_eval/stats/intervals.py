"""Means and corpus scores with standard errors and intervals, for items that may not be independent.

Sources: Miller (2024), "Adding error bars to evals", arXiv 2411.00640 (clustered standard errors); Wilson (1927) for proportions;
Tukey (1958), "Bias and confidence in not-quite large samples" (the jackknife's pseudo-values) for corpus scores.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from gemma_eval.types import CorpusScore

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean of item scores with its standard error and 95 % interval. With fewer than two clusters both are unknown (nan)."""

    value: float
    n: int
    stderr: float
    low: float
    high: float
    clusters: int


def pseudo_values(counts: Sequence[Sequence[int]], score: CorpusScore) -> list[float]:
    """One value per item whose mean is the corpus score and whose spread is each item's pull on it.

    They turn a corpus score into a mean, so that clusters, averages over subsets and paired differences work as for any
    other metric. A pseudo-value is n times the score less n-1 times the score without the item; here all are shifted so
    that their mean is the score itself and not its bias-corrected form.
    """
    table = np.asarray(counts, dtype=np.int64)
    total = table.sum(axis=0)
    whole, n = float(score(total)), len(table)
    if n == 1:
        return [whole]
    without = score(total - table)
    return [float(value) for value in whole + (n - 1) * (without.mean() - without)]


def estimate(values: Sequence[float], clusters: Sequence[str], subsets: Sequence[str] | None = None, scale: float = 1.0) -> Estimate:
    """Mean of `values`; with `subsets`, the unweighted mean of the subsets' means.

    One formula covers all cases. The mean is a weighted sum, weight 1/n (or 1/(subsets x items of the subset)); its
    variance is the sum over clusters of squared sums of weighted residuals, times C/(C-1). With every item its own
    cluster that is the usual standard error, of each subset too. A cluster may span subsets: the same item in several languages.

    The interval of all-or-nothing values (0 or `scale`) is Wilson's; where items are clustered, with the effective number
    of items that gives the same standard error (Korn & Graubard, 1998). Other values get Student's t with C-1 degrees of
    freedom. Both are clipped to the range 0 to `scale`, in which the mean must lie.
    """
    n = len(values)
    if n == 0:
        return Estimate(math.nan, 0, math.nan, math.nan, math.nan, 0)
    mean, pulls = mean_and_pulls(values, clusters, subsets)
    count, stderr = len(pulls), clustered_stderr(pulls.values())
    if math.isnan(stderr):
        return Estimate(mean, n, math.nan, math.nan, math.nan, count)
    if all(value in (0.0, scale) for value in values):
        independent = count == n and subsets is None
        share = mean / scale
        low, high = (scale * bound for bound in wilson(share, n if independent else _effective_n(share, stderr / scale, count)))
    else:
        reach = student_quantile(count - 1) * stderr
        low, high = max(0.0, mean - reach), min(scale, mean + reach)
    return Estimate(mean, n, stderr, low, high, count)


def _effective_n(share: float, stderr: float, clusters: int) -> float:
    """The number of independent items whose proportion would have this standard error, widened for few clusters."""
    if stderr == 0:
        return clusters  # all right or all wrong: the clusters are all the evidence there is
    return share * (1 - share) / stderr**2 * (normal_quantile() / student_quantile(clusters - 1)) ** 2


def mean_and_pulls(
    values: Sequence[float], clusters: Sequence[str], subsets: Sequence[str] | None = None
) -> tuple[float, dict[str, float]]:
    """The mean (over `subsets`, if given), and each cluster's pull on it: the sum of its items' weighted residuals."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, subset in enumerate(subsets or [""] * len(values)):
        groups[subset].append(index)
    mean = math.fsum(math.fsum(values[i] for i in members) / len(members) for members in groups.values()) / len(groups)
    pulls = dict.fromkeys(clusters, 0.0)
    for members in groups.values():
        centre, spread = _centre_and_spread([values[i] for i in members], len({clusters[i] for i in members}), mean, len(pulls))
        for i in members:
            pulls[clusters[i]] += spread * (values[i] - centre) / (len(groups) * len(members))
    return mean, pulls


def _centre_and_spread(values: Sequence[float], clusters: int, mean: float, of_all: int) -> tuple[float, float]:
    """What a subset's residuals are taken from, and how they are stretched.

    Values lie closer to the mean of their own subset than to the true one, by (k-1)/k in variance with k clusters; the
    factor C/(C-1) of all clusters together makes up for less than that. A subset of a single cluster says nothing of its spread:
    its values are compared with the mean of all, which errs on the safe side (Lumley, 2010, "Complex surveys": lonely PSUs).
    """
    if clusters == 1:
        return mean, 1.0
    return math.fsum(values) / len(values), math.sqrt(clusters / (clusters - 1) * (of_all - 1) / of_all)


def clustered_stderr(pulls: Collection[float]) -> float:
    """Standard error of a mean from its clusters' pulls; nan for fewer than two."""
    count = len(pulls)
    return math.sqrt(count / (count - 1) * math.fsum(pull * pull for pull in pulls)) if count > 1 else math.nan


def wilson(share: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of a proportion: right near 0 and 1 and for small n, where the normal interval is not."""
    z = normal_quantile(confidence)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def normal_quantile(confidence: float = CONFIDENCE) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + confidence / 2)


def student_quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    from scipy.special import stdtrit  # not scipy.stats, which takes a second to import

    return float(stdtrit(degrees, 0.5 + confidence / 2))
