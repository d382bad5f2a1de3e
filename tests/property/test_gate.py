"""Simulation, with fixed seeds: the gate's false alarms stay below alpha, and its power is what `plan` promises."""

from __future__ import annotations

import numpy as np

from gemma_eval.gate.decision import Decision, decide, draft
from gemma_eval.gate.policy import Policy
from gemma_eval.stats.difference import Difference, difference
from gemma_eval.stats.power import detectable, items_needed, paired_variance

DISCORDANT = 0.1
POLICY = Policy()
REPETITIONS = 2000


def pair(draw: np.random.Generator, n: int, drop: float, task: str = "", discordant: float = DISCORDANT) -> Difference:
    """Right/wrong answers of which this share differs, and more of them lost than gained by `drop`."""
    fate = draw.random(n)
    gained, lost = (discordant - drop) / 2, (discordant + drop) / 2
    right = draw.random(n) < 0.5
    theirs = np.where(fate < gained, 0.0, np.where(fate < gained + lost, 1.0, right))
    ours = np.where(fate < gained, 1.0, np.where(fate < gained + lost, 0.0, right))
    return difference(ours.tolist(), theirs.tolist(), [f"{task}/{i}" for i in range(n)])


def decisions(n: int, drop: float, tasks: int = 1, repetitions: int = REPETITIONS) -> list[Decision]:
    draw = np.random.default_rng(5)
    return [_decided([pair(draw, n, drop, str(i)) for i in range(tasks)]) for _ in range(repetitions)]


def _decided(differences: list[Difference]) -> Decision:
    drafts = [draft(str(i), found, POLICY.margin, 0.0, POLICY) for i, found in enumerate(differences)]
    return decide(drafts, POLICY)[0]


def share(found: list[Decision], decision: Decision) -> float:
    return found.count(decision) / len(found)


def error(p: float, repetitions: int = REPETITIONS) -> float:
    return 3 * float(np.sqrt(p * (1 - p) / repetitions))


def test_harmless_builds_fail_with_chance_alpha_at_most() -> None:
    """Ten tasks of 100 items, where chance drops of more than the margin are common."""
    assert share(decisions(100, 0.0, tasks=10, repetitions=400), Decision.failed) <= POLICY.alpha + error(POLICY.alpha, 400)


def test_a_drop_of_the_margin_passes_with_chance_alpha_at_most() -> None:
    for n in (300, 1500):
        assert share(decisions(n, POLICY.margin, repetitions=1000), Decision.passed) <= POLICY.alpha + error(POLICY.alpha, 1000)


def test_a_harmless_build_passes_as_often_as_planned() -> None:
    n = items_needed(POLICY.margin, paired_variance(DISCORDANT), alpha=POLICY.alpha, power=POLICY.power, sides=1)
    assert abs(share(decisions(n, 0.0, repetitions=1000), Decision.passed) - POLICY.power) <= error(POLICY.power, 1000) + 0.01


def test_the_smallest_detectable_difference_is_found_as_often_as_planned() -> None:
    draw = np.random.default_rng(6)
    for n in (400, 1500):
        drop = detectable(n, paired_variance(DISCORDANT))
        found = sum(pair(draw, n, drop).p_value() <= 0.05 for _ in range(1000)) / 1000
        assert abs(found - 0.8) <= error(0.8, 1000) + 0.02  # the variance is a little smaller where there is a difference
