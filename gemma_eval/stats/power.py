"""How many items a difference needs, and which difference a number of items can show.

The normal approximation of Miller (2024, arXiv 2411.00640, section 5): n = (z[1 - alpha/2] + z[power])^2 variance / difference^2, where
variance is that of one item's difference between the systems.
"""

from __future__ import annotations

import math
from statistics import NormalDist

ALPHA = 0.05
POWER = 0.8


def paired_variance(discordant: float) -> float:
    """Variance of one item's difference of 0/1 scores on the same item, where this share of items changes (McNemar's null)."""
    return discordant


def unpaired_variance(share: float) -> float:
    """Likewise for two systems that answered different items, each right on this share."""
    return 2 * share * (1 - share)


def sampled_variance(between: float, within: tuple[float, float], samples: int = 1) -> float:
    """Likewise for scores averaged over several answers an item: `between` items, and `within` the answers of each system's items."""
    return between + sum(within) / samples


def reach(alpha: float = ALPHA, power: float = POWER, sides: int = 2) -> float:
    """Standard errors that a difference must measure to be found with this power."""
    normal = NormalDist()
    return normal.inv_cdf(1 - alpha / sides) + normal.inv_cdf(power)


def detectable(n: float, variance: float, *, alpha: float = ALPHA, power: float = POWER, sides: int = 2) -> float:
    """The smallest true difference that `n` items find with this power."""
    return reach(alpha, power, sides) * math.sqrt(variance / n) if n > 0 else math.inf


def items_needed(difference: float, variance: float, *, alpha: float = ALPHA, power: float = POWER, sides: int = 2) -> int:
    """The items that find this true difference with this power."""
    return math.ceil((reach(alpha, power, sides) / difference) ** 2 * variance - 1e-9)


def effective_items(items: float, clusters: float, correlation: float) -> float:
    """Independent items worth as much as these in clusters of equal size, whose differences correlate so (Kish, 1965)."""
    return items / (1 + (items / clusters - 1) * correlation) if clusters else 0.0
