"""Simulation, with fixed seeds: looking after every few items, the sequential tests keep their level, and how many items they take."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest
from scipy import integrate

from gemma_eval.gate.policy import Policy
from gemma_eval.stats.difference import _tango
from gemma_eval.stats.power import items_needed, paired_variance
from gemma_eval.stats.sequential import FIRST, TUNING, anytime, single_look

POLICY = Policy()
DISCORDANT = 0.1
FIXED = items_needed(POLICY.margin, paired_variance(DISCORDANT), alpha=POLICY.alpha, power=POLICY.power, sides=1)
LOOKS = np.arange(FIRST, 4 * FIXED, 16)
RUNS = 400


def walks(drop: float, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Shares of items gained and lost so far at every look, [runs, looks]."""
    draw = np.random.default_rng(seed)
    fate = draw.random((RUNS, int(LOOKS[-1])))
    gained, lost = (DISCORDANT - drop) / 2, (DISCORDANT + drop) / 2
    flips = (fate < gained, (fate >= gained) & (fate < gained + lost))
    more, less = (np.cumsum(flip, axis=1)[:, LOOKS - 1] / LOOKS for flip in flips)
    return more, less


def first_look(shares: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]], bound: float, sign: int) -> npt.NDArray[np.float64]:
    """Items at the first look at which the difference is known to lie above (sign 1) or below (-1) the bound; inf if never."""
    needed = [-NormalDist().inv_cdf(single_look(POLICY.alpha, float(n), FIXED)) for n in LOOKS]
    found = np.full(RUNS, math.inf)
    for run in range(RUNS):
        for look, n in enumerate(LOOKS):
            if sign * _tango(shares[0][run, look], shares[1][run, look], float(n), bound) >= needed[look]:
                found[run] = n
                break
    return found


ERROR = 3 * math.sqrt(0.05 * 0.95 / RUNS)


def test_the_closed_forms_agree() -> None:
    for alpha, n in ((0.05, 64.0), (0.05, 5000.0), (0.01, 400.0)):
        assert anytime(single_look(alpha, n, FIXED), n, FIXED) == pytest.approx(alpha, rel=1e-6)
    assert anytime(0.5, 100, FIXED) == 1.0 and anytime(1e-300, 1000, FIXED) < 1e-100 and math.isnan(anytime(math.nan, 10, 10))


@pytest.mark.parametrize("v", [0.5, 6.3, 40.0])
def test_evidence_has_mean_one(v: float) -> None:
    """The e-value of the docstring, integrated over a standard normal z: the property that Ville's inequality needs."""
    normal = NormalDist()

    def integrand(z: float) -> float:
        evidence = 2 / math.sqrt(v + 1) * math.exp(z * z * v / (2 * (v + 1))) * normal.cdf(z * math.sqrt(v / (v + 1)))
        return evidence * normal.pdf(z)

    assert integrate.quad(integrand, -37, 37)[0] == pytest.approx(1, abs=1e-6)
    z, n = 2.5, v * 1000 / TUNING
    assert anytime(1 - normal.cdf(z), n, 1000) == pytest.approx(normal.pdf(z) / integrand(z), rel=1e-6)


def test_false_alarms_under_continuous_looking() -> None:
    alarms = np.isfinite(first_look(walks(0.0, 1), 0.0, -1)).mean()
    assert alarms <= POLICY.alpha + ERROR
    passed = np.isfinite(first_look(walks(POLICY.margin, 2), -POLICY.margin, 1)).mean()
    assert passed <= POLICY.alpha + ERROR


def test_looking_often_without_it_would_be_wrong() -> None:
    """A single-look test repeated at every look finds a drop in far more than alpha of the harmless builds."""
    more, less = walks(0.0, 1)
    z = (less - more) * np.sqrt(LOOKS) / np.sqrt(np.maximum(more + less, 1e-9))
    assert (z.max(axis=1) >= NormalDist().inv_cdf(1 - POLICY.alpha)).mean() > 0.2


def test_items_spent(record_property: Callable[[str, object], None]) -> None:
    """A clear regression ends the run after a fraction of the fixed number of items; a harmless build costs somewhat more than it."""
    for name, drop, bound, sign, most in (
        ("no drop", 0.0, -POLICY.margin, 1, 1.6),
        ("6 points", 0.06, 0.0, -1, 0.25),
        ("10 points", 0.1, 0.0, -1, 0.12),
    ):
        spent = np.minimum(first_look(walks(drop, 3), bound, sign), float(LOOKS[-1]))
        record_property(f"mean items, {name}", f"{spent.mean():.0f} of {FIXED} at a fixed number")
        assert spent.mean() <= most * FIXED
