"""p-values that stay valid however often one looks at them while items come in.

Robbins' mixture (1970, Ann. Math. Stat. 41:1397) over one-sided effects: with z standard errors after n items, the evidence

    E = 2 / sqrt(v + 1) * exp(z^2 v / (2 (v + 1))) * Phi(z sqrt(v / (v + 1))),   v = n rho^2,

has mean 1 at most at any time if there is no effect. So it ever reaches 1/p with chance p at most (Ville). That is exact for normal sums.
For means with estimated errors it holds as n grows (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, 2024, Ann. Stat. 52:2613, "Time-uniform
central limit theory and asymptotic confidence sequences"). That is why nothing is decided before `FIRST` items.
"""

from __future__ import annotations

import math
from statistics import NormalDist

FIRST = 64  # items before the first look
TUNING = 6.3  # v that makes the test at alpha = 0.05 most powerful: -2 log(2 alpha) + log(1 - 2 log(2 alpha)), ibid.


def anytime(p_value: float, n: float, tuned_for: float) -> float:
    """The p-value, valid at every look, that belongs to the one-sided `p_value` of a single look at `n` items; nan for nan.

    It is most powerful near `tuned_for` items, which must be chosen before any answer is seen.
    """
    if math.isnan(p_value):
        return math.nan
    normal = NormalDist()
    z = -normal.inv_cdf(min(max(p_value, 1e-300), 1 - 1e-16))
    v = TUNING * n / tuned_for
    phi = normal.cdf(z * math.sqrt(v / (v + 1)))
    evidence = math.log(2 * phi) + z * z * v / (2 * (v + 1)) - math.log(v + 1) / 2 if phi > 0 else -math.inf
    return min(1.0, math.exp(-evidence)) if evidence > -700 else 1.0


def single_look(alpha: float, n: float, tuned_for: float) -> float:
    """The level of a single look at `n` items that decides as `anytime` does at level `alpha`; as small as 1e-300 for few items."""
    low, high = -690.0, math.log(alpha)  # of the level's logarithm
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if anytime(math.exp(middle), n, tuned_for) <= alpha else (low, middle)
    return math.exp(low)
