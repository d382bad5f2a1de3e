"""Means with standard errors and intervals, for items that may not be independent.

Sources: Miller (2024), "Adding error bars to evals", arXiv 2411.00640 (clustered standard errors); Wilson (1927) for proportions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

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


def estimate(values: Sequence[float], clusters: Sequence[str], subsets: Sequence[str] | None = None) -> Estimate:
    """Mean of `values`; with `subsets`, the unweighted mean of the subsets' means.

    One formula covers all cases. The mean is a weighted sum, weight 1/n (or 1/(subsets x items of the subset)); its
    variance is the sum over clusters of squared sums of weighted residuals, times C/(C-1). With every item its own
    cluster that is the usual standard error. A cluster may span subsets: the same item asked in several languages.

    The interval of 0/1 values is Wilson's; where items are clustered, with the effective number of items that gives the
    same standard error (Korn & Graubard, 1998). Other values get Student's t with C-1 degrees of freedom, clipped to
    the range 0 to 1 if all values are in it.
    """
    n = len(values)
    if n == 0:
        return Estimate(math.nan, 0, math.nan, math.nan, math.nan, 0)
    weights, centres = _weights(values, subsets)
    mean = math.fsum(weight * value for weight, value in zip(weights, values, strict=True))
    sums: dict[str, float] = defaultdict(float)
    for weight, value, centre, cluster in zip(weights, values, centres, clusters, strict=True):
        sums[cluster] += weight * (value - centre)
    count = len(sums)
    if count < 2:
        return Estimate(mean, n, math.nan, math.nan, math.nan, count)
    stderr = math.sqrt(count / (count - 1) * math.fsum(total * total for total in sums.values()))
    if all(value in (0.0, 1.0) for value in values):
        independent = count == n and subsets is None
        low, high = wilson(mean, n if independent else _effective_n(mean, stderr, count))
    else:
        reach = _student_quantile(count - 1) * stderr
        low, high = mean - reach, mean + reach
        if all(0.0 <= value <= 1.0 for value in values):
            low, high = max(0.0, low), min(1.0, high)
    return Estimate(mean, n, stderr, low, high, count)


def _effective_n(share: float, stderr: float, clusters: int) -> float:
    """The number of independent items whose proportion would have this standard error, widened for few clusters."""
    if stderr == 0:
        return clusters  # all right or all wrong: the clusters are all the evidence there is
    return share * (1 - share) / stderr**2 * (_normal_quantile() / _student_quantile(clusters - 1)) ** 2


def _weights(values: Sequence[float], subsets: Sequence[str] | None) -> tuple[list[float], list[float]]:
    """Each item's weight in the mean, and the mean of its own subset."""
    n = len(values)
    if subsets is None:
        return [1 / n] * n, [math.fsum(values) / n] * n
    groups: dict[str, list[float]] = defaultdict(list)
    for value, subset in zip(values, subsets, strict=True):
        groups[subset].append(value)
    means = {subset: math.fsum(group) / len(group) for subset, group in groups.items()}
    return [1 / (len(groups) * len(groups[subset])) for subset in subsets], [means[subset] for subset in subsets]


def wilson(share: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of a proportion: right near 0 and 1 and for small n, where the normal interval is not."""
    z = _normal_quantile(confidence)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def _normal_quantile(confidence: float = CONFIDENCE) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _student_quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    from scipy.special import stdtrit  # not scipy.stats, which takes a second to import

    return float(stdtrit(degrees, 0.5 + confidence / 2))
