"""`gemma-eval plan`: what a run would cost and what it could show. Nothing is run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import report_missing
from gemma_eval.commands.hydra_settings import add_settings, with_settings

if TYPE_CHECKING:
    from rich.console import Console

    from gemma_eval.plan.cost import Cost
    from gemma_eval.report.table import TextTable
    from gemma_eval.run.forecast import Detectable, Forecast, Memory
    from gemma_eval.settings import PlanConfig, RunConfig

NAME = "plan"
HELP = "what a run would cost and what it could show; runs nothing"

DESCRIPTION = """\
Tokens with and without shared prefixes, time and memory of a run, and the smallest difference that each task could show.
Takes the settings of `gemma-eval run`, and runs nothing.

  gemma-eval plan model=4b suite=card_pt plan.tokens_per_second=20000 plan.memory_gb=80

exit code: 0 done; 1 refused; 3 done, but some tasks or samples could not be had"""


def add_arguments(parser: CommandParser) -> None:
    """Take settings."""
    parser.description = DESCRIPTION
    add_settings(parser)


def main(arguments: argparse.Namespace) -> int:
    """Print the plan of the settings."""
    return with_settings(arguments.settings, _plan)


def _plan(config: RunConfig) -> int:
    from gemma_eval.report.console import default_console
    from gemma_eval.run.forecast import forecast

    found = forecast(config)
    print_plan(found, config.plan, default_console())
    return report_missing(found.missing)


def print_plan(found: Forecast, plan: PlanConfig, console: Console) -> None:
    """Tables of costs and of detectable differences, and sentences on time, assumptions and memory."""
    from gemma_eval.report.console import print_lines, print_table

    costs = cost_table(found)
    print_table(costs, console, [*[""] * (len(costs.rows) - 1), "bold"])
    print_lines([time_line(found), ""], console)
    print_table(power_table(found.detectable, plan), console)
    print_lines([assumptions(plan), "", memory_line(found.memory)], console)


def cost_table(found: Forecast) -> TextTable:
    """A row for each task, and one for all: their prefixes are shared across tasks too."""
    from gemma_eval.report.table import Kind, TextColumn, TextTable

    columns = [
        TextColumn("Task", Kind.name),
        TextColumn("Requests", rank=1),
        TextColumn("Unshared", rank=2),
        TextColumn("Unique"),
        TextColumn("Ratio", rank=3),
        TextColumn("Head rows", rank=4),
        TextColumn("Generated"),
        TextColumn("Minutes"),
    ]
    rows = [_cost_row(found, *entry) for entry in [*found.costs.items(), ("all", found.total)]]
    return TextTable("Tokens", columns, rows)


def _cost_row(found: Forecast, name: str, cost: Cost) -> list[str]:
    seconds = found.seconds(cost)
    return [
        name,
        f"{cost.requests:,}",
        f"{cost.unshared:,}",
        f"{cost.unique:,}",
        f"{cost.unshared / max(cost.unique, 1):.1f}x",
        f"{cost.head_rows:,}",
        f"{cost.generated:,}",
        "" if seconds is None else f"{seconds / 60:,.1f}",
    ]


def time_line(found: Forecast) -> str:
    """Where the minutes come from, or why there are none."""
    if found.rates is None:
        return (
            "No time: no run of this model, backend and dtype in the results folder has measured one; "
            "give a rate with plan.tokens_per_second=N."
        )
    rates = found.rates
    if found.stated:
        speed = f"{rates.read:,.0f} tokens/s, as stated"
    else:
        generated = "" if rates.generated is None else f" and generates {rates.generated:,.0f}"
        speed = f"the speed of earlier runs, which reads {rates.read:,.0f} tokens/s{generated}"
    return f"Time at {speed}, if every text is generated up to its limit."


def power_table(detectable: Mapping[str, Detectable], plan: PlanConfig) -> TextTable:
    """What each task could show, and the limits that it would need."""
    from gemma_eval.report.table import Kind, TextColumn, TextTable

    points = f"{100 * plan.difference:g} points"
    columns = [
        TextColumn("Task", Kind.name),
        TextColumn("Items", rank=2),
        TextColumn("Clusters", rank=4),
        TextColumn("Detects"),
        TextColumn("Detects unpaired", rank=3),
        TextColumn(f"Limit for {points}"),
        TextColumn("Limit unpaired", rank=3),
        TextColumn("Limit for the gate", rank=1),
    ]
    return TextTable("What the items could show", columns, [[name, *_power_cells(one)] for name, one in detectable.items()])


def _power_cells(one: Detectable) -> list[str]:
    """In points of 100. A limit beyond the full split names the split's size."""
    limits = (one.limit_paired, one.limit_unpaired, one.limit_gate)
    return [
        f"{one.items:,}",
        f"{one.clusters:,}",
        *(f"{100 * value:.1f}" for value in (one.paired, one.unpaired)),
        *(f"{limit:,}" if limit <= one.size else f"{limit:,} (has {one.size:,})" for limit in limits),
    ]


def assumptions(plan: PlanConfig) -> str:
    """What the table of differences takes for granted."""
    return (
        f"Detects: the smallest true difference, in points of 100, found with {plan.power:.0%} power at alpha {plan.alpha:g}. "
        f"Paired runs answer the same items, and {plan.discordant:.0%} of them change. Unpaired runs answer others, each {plan.right:.0%} "
        f"right. Changes within a cluster correlate by {plan.correlation:g}. Gate: items that pass a harmless build with that margin. "
        "These are assumptions; plan.discordant=, plan.difference= and others change them."
    )


def memory_line(memory: Memory) -> str:
    """What the run needs beside what the device has, and whether it fits."""
    need = memory.need
    cache = f"keys and values of the longest request ({memory.longest:,} tokens) {_gib(need.cache)}"
    parts = f"weights {_gib(need.weights)}, {cache}, activations {_gib(need.activations)}"
    if memory.lacking:
        verdict = f"does NOT fit: {_gib(memory.lacking)} too much. Choose smaller weights=, more devices, or fewer shots"
    else:
        verdict = f"fits, with room for {memory.side_by_side:,} such requests at once"
    return f"Memory: {parts}; {_gib(need.total)} of {_gib(memory.available)} ({memory.device}): {verdict}."


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
