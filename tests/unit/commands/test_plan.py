"""How `plan` puts a forecast into words and tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from gemma_eval.checkpoint.memory import Need
from gemma_eval.commands.plan import cost_table, memory_line, power_table, print_plan, time_line
from gemma_eval.plan.cost import Cost
from gemma_eval.run.forecast import Forecast, Memory, detectable
from gemma_eval.settings import PlanConfig
from gemma_eval.store.rates import Rates

PLAN = PlanConfig()
FOUND = Forecast(
    costs={"piqa": Cost(200, 64_000, 30_000, 4_000, 0), "indicgenbench_xorqa_en": Cost(1_000_000, 9_999_999_999, 1_999_999_999, 0, 6_000)},
    total=Cost(1_000_200, 10_000_063_999, 2_000_029_999, 4_000, 6_000),
    rates=Rates(1000.0, 50.0),
    stated=False,
    detectable={"piqa": detectable(200, 200, 1838, PLAN), "indicgenbench_xorqa_en": detectable(1_000_000, 200_000, 1_000_000, PLAN)},
    memory=Memory(Need(5 << 30, 2 << 30, 1 << 30), 12 << 30, "a card", 4096),
    missing={},
)


def test_costs_with_minutes_by_kind_of_token() -> None:
    rows = {row[0]: row[1:] for row in cost_table(FOUND).rows}
    assert rows["piqa"] == ["200", "64,000", "30,000", "2.1x", "4,000", "0", "0.5"]  # 30,000 tokens at 1000 a second
    assert rows["indicgenbench_xorqa_en"][-1] == f"{(1_999_999_999 / 1000 + 6_000 / 50) / 60:,.1f}" and list(rows)[-1] == "all"


def test_where_the_minutes_come_from() -> None:
    assert "earlier runs, which reads 1,000 tokens/s and generates 50, if every text" in time_line(FOUND)
    assert time_line(replace(FOUND, rates=Rates(300.0, 300.0), stated=True)).startswith("Time at 300 tokens/s, as stated")
    unknown = replace(FOUND, rates=None)
    assert "plan.tokens_per_second=N" in time_line(unknown) and {row[-1] for row in cost_table(unknown).rows} == {""}


def test_limits_beyond_the_split_name_its_size() -> None:
    assert power_table(FOUND.detectable, PLAN).rows[0] == [
        "piqa", "200", "200", "6.3", "14.0", "1,963 (has 1,838)", "9,812 (has 1,838)", "1,546"
    ]  # fmt: skip


@pytest.mark.parametrize(("available", "said"), [(7, "does NOT fit: 1.00 GiB too much"), (8, "room for 1 such"), (12, "room for 3 such")])
def test_memory(available: int, said: str) -> None:
    assert said in memory_line(replace(FOUND.memory, available=available << 30))


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_number_is_cut(width: int) -> None:
    console = Console(record=True, width=width)
    print_plan(FOUND, PLAN, console)
    printed = console.export_text()
    assert "…" not in printed and "indicgenbench_xorqa_en" in printed and "2,000,029,999" in printed and "33,335.8" in printed
