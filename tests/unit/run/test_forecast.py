"""What a number of items could show."""

from __future__ import annotations

import pytest

from gemma_eval.checkpoint.memory import Need
from gemma_eval.run.forecast import Memory, detectable
from gemma_eval.settings import PlanConfig


def test_independent_items() -> None:
    """By the formula: 2.8016 standard errors of sqrt(0.1 / n), or of sqrt(0.5 / n) unpaired; 1.645 + 0.842 of them for the gate."""
    found = detectable(200, 200, 1838, PlanConfig())
    assert (round(found.paired, 3), round(found.unpaired, 3)) == (0.063, 0.140)
    assert (found.limit_paired, found.limit_unpaired, found.limit_gate) == (1963, 9812, 1546)


def test_items_in_clusters_are_worth_less() -> None:
    """Pairs that correlate by a half are worth one item and a third."""
    found = detectable(400, 200, 10_000, PlanConfig(correlation=0.5))
    assert (round(found.paired, 3), round(found.unpaired, 3)) == (0.054, 0.121)
    assert (found.limit_paired, found.limit_unpaired, found.limit_gate) == (2944, 14718, 2319)


@pytest.mark.parametrize(("available", "lacking", "side_by_side"), [(5, 3, 0), (7, 1, 0), (8, 0, 1), (12, 0, 3)])
def test_memory(available: int, lacking: int, side_by_side: int) -> None:
    found = Memory(Need(5 << 30, 2 << 30, 1 << 30), available << 30, "a card", 4096)
    assert (found.lacking >> 30, found.side_by_side) == (lacking, side_by_side)
