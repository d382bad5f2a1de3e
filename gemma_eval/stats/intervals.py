"""Means and corpus scores with standard errors and intervals, for items that may not be independent.

Sources: Miller (2024), "Adding error bars to evals", arXiv 2411.00640 (clustered standard errors); Wilson (1927) for proportions;
Tukey (1958), "Bias and confidence in not-quite large samples" (the jackknife's pseudo-values) for corpus scores.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from gemma_eval.types import CorpusScore

CONFIDENCE = 0.95
ROUNDING = 1e-12  # in the unit of scores, which are 100 at most: no standard error of real scores is this small


@dataclass(frozen=True)
class Estimate:
    """A mean of `n` item scores with its standard error and its 95 % interval from `low` to `high`, all in the scores' unit.

    With fewer than two clusters, standard error and interval are nan: nothing is known of the error.
    """

    value: float
    n: int
    stderr: float
    low: float
    high: float
    clusters: int


def pseudo_values(counts: Sequence[Sequence[int]], score: CorpusScore) -> list[float]:
    """The jackknife's pseudo-values of a corpus score: one value per item, whose mean is the corpus score.

    They turn a corpus score into a mean, so that clusters, averages over subsets and paired differences work as for any other metric.
    A pseudo-value is n times the score minus n-1 times the score without the item. All are shifted so that their mean is the score
    itself and not its bias-corrected form. counts: [items, counts]; `score` maps counts [..., counts] to scores [...]. Raises `ValueError`
    if the score of all items, or of all but one, is not finite.
    """
    table = np.asarray(counts, dtype=np.int64)
    total = table.sum(axis=0)
    whole, n = float(score(total)), len(table)
    check_finite([whole])
    if n == 1:
        return [whole]
    without = score(total - table)
    check_finite(without)
    return [float(value) for value in whole + (n - 1) * (without.mean() - without)]


def estimate(values: Sequence[float], clusters: Sequence[str], subsets: Sequence[str] | None = None, scale: float = 1.0) -> Estimate:
    """Mean of `values`, each 0 to `scale`; with `subsets`, the unweighted mean of the subsets' means.

    values, clusters, subsets: [items]. Items of one cluster are not independent. A cluster may span subsets: the same item in several
    languages, for example.

    One formula covers all cases. The mean is a weighted sum with weights 1/n, or 1/(subsets x items of the subset). Its variance is
    the sum over clusters of squared sums of weighted residuals, times C/(C-1). If every item is its own cluster, that is the usual
    standard error, of each subset too.

    The interval of all-or-nothing values (0 or `scale`) is Wilson's. Where items are clustered, it uses the effective number of items,
    which is the number that gives the same standard error (Korn & Graubard, 1998). Other values get Student's t with C-1 degrees of
    freedom. Both intervals stay within 0 to `scale` and contain the mean.
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
        low, high = mean - reach, mean + reach
    return Estimate(mean, n, stderr, *bounded(mean, low, high, 0.0, scale), count)


def _effective_n(share: float, stderr: float, clusters: int) -> float:
    """The number of independent items whose proportion would have this standard error; smaller where there are few clusters."""
    if stderr == 0:
        return clusters  # all clusters have the same share: there is no more evidence than clusters
    return share * (1 - share) / stderr**2 * (normal_quantile() / student_quantile(clusters - 1)) ** 2


def mean_and_pulls(
    values: Sequence[float], clusters: Sequence[str], subsets: Sequence[str] | None = None
) -> tuple[float, dict[str, float]]:
    """The mean of `values` (of the subsets' means, if `subsets` are given), and by cluster its pull on that mean.

    A cluster's pull is the sum of its items' weighted residuals. values, clusters, subsets: [items]. Raises `ValueError` for a value that
    is not finite: a mean of it would be none.
    """
    check_finite(values)
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


def check_finite(values: Iterable[float]) -> None:
    """Raise `ValueError` if a value is not a finite number."""
    for index, value in enumerate(values):
        if not math.isfinite(value):
            raise ValueError(f"value {index} is {value}, which is not a finite number")


def _centre_and_spread(values: Sequence[float], clusters: int, mean: float, of_all: int) -> tuple[float, float]:
    """The centre of a subset's residuals, and the factor that stretches them.

    Values lie closer to the mean of their own subset than to the true mean: by (k-1)/k in variance, with k clusters. The factor C/(C-1)
    of all clusters together makes up for less than that, and the stretch for the rest. A subset of a single cluster does not show its
    spread. Its values are compared with the mean of all, which errs on the safe side (Lumley, 2010, "Complex surveys": lonely PSUs).
    """
    if clusters == 1:
        return mean, 1.0
    return math.fsum(values) / len(values), math.sqrt(clusters / (clusters - 1) * (of_all - 1) / of_all)


def clustered_stderr(pulls: Collection[float]) -> float:
    """Standard error of a mean from its clusters' pulls; nan for fewer than two. A spread that is rounding error alone counts as 0."""
    count = len(pulls)
    if count < 2:
        return math.nan
    stderr = math.sqrt(count / (count - 1) * math.fsum(pull * pull for pull in pulls))
    return stderr if stderr > ROUNDING else 0.0


def wilson(share: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval (1927) of a proportion `share` of `n` items. It holds for small n and near 0 and 1, unlike the normal one.

    It contains the share. It begins at exactly 0 for a share of 0, and ends at exactly 1 for a share of 1.
    """
    z = normal_quantile(confidence)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return bounded(share, centre - reach, centre + reach, 0.0, 1.0)


def bounded(value: float, low: float, high: float, least: float, most: float) -> tuple[float, float]:
    """The interval from `low` to `high`, held within `least` to `most`. It contains `value`, which rounding could leave just outside."""
    return min(value, max(least, low)), max(value, min(most, high))


def normal_quantile(confidence: float = CONFIDENCE) -> float:
    """Standard errors to either side of a normal mean that hold this share of the distribution: 1.96 for 95 %."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def student_quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    """Standard errors to either side of a mean that hold this share of Student's t with `degrees` degrees of freedom."""
    from scipy.special import stdtrit  # not scipy.stats, which takes a second to import

    return float(stdtrit(degrees, 0.5 + confidence / 2))
