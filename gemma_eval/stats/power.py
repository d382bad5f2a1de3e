"""How many items a difference needs to be found, and which difference a number of items can show.

This is the normal approximation of Miller (2024, arXiv 2411.00640, section 5): n = (z[1 - alpha/2] + z[power])^2 variance / difference^2.
The variance is that of one item's difference between the systems. Scores and differences are shares, 0 to 1.
"""

from __future__ import annotations

import math
from statistics import NormalDist

ALPHA = 0.05
POWER = 0.8


def paired_variance(discordant: float) -> float:
    """Variance of the difference of two 0/1 scores on the same item, if a share `discordant` of items changes (McNemar's null)."""
    return discordant


def unpaired_variance(share: float) -> float:
    """Variance of the difference of two 0/1 scores on different items, if each system is right on this share of them."""
    return 2 * share * (1 - share)


def reach(alpha: float = ALPHA, power: float = POWER, sides: int = 2) -> float:
    """How many standard errors large a true difference must be, for a test at level `alpha` to find it with this power."""
    normal = NormalDist()
    return normal.inv_cdf(1 - alpha / sides) + normal.inv_cdf(power)


def detectable(n: float, variance: float, *, alpha: float = ALPHA, power: float = POWER, sides: int = 2) -> float:
    """The smallest true difference that `n` items show with this power, as a share; infinite for no items."""
    return reach(alpha, power, sides) * math.sqrt(variance / n) if n > 0 else math.inf


def items_needed(difference: float, variance: float, *, alpha: float = ALPHA, power: float = POWER, sides: int = 2) -> int:
    """How many items show this true difference (a share) with this power."""
    return math.ceil((reach(alpha, power, sides) / difference) ** 2 * variance - 1e-9)


def effective_items(items: float, clusters: float, correlation: float) -> float:
    """The number of independent items that tell as much as `items` in clusters of equal size (Kish, 1965).

    `correlation` is that of the differences of two items of one cluster.
    """
    return items / (1 + (items / clusters - 1) * correlation) if clusters else 0.0
