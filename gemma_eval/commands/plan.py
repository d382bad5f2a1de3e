"""What a run would cost and what it could show: tokens, time, memory, and the smallest difference each task could detect."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from gemma_eval.checkpoint.memory import Need, device_bytes, need
from gemma_eval.plan.cost import Cost, cost
from gemma_eval.report.console import default_console
from gemma_eval.run.prepare import Prepared, prepare
from gemma_eval.settings import Dtype, PlanConfig, RunConfig, TransformersConfig
from gemma_eval.stats import power
from gemma_eval.store.usage import measured_rate
from gemma_eval.task.samples import TaskSamples
from gemma_eval.types import Encoded

if TYPE_CHECKING:
    from gemma_eval.settings import RunConfig
from gemma_eval.commands.exit_codes import DONE, MISSING


def print_plan(config: RunConfig, console: Console | None = None) -> dict[str, str]:
    """Print the plan of these settings; returns what could not be had, by task."""
    console = console or default_console()
    prepared = prepare(config, weights=False)
    requests: dict[str, list[Encoded]] = defaultdict(list)
    for item in prepared.asked:
        requests[item.task.name].append(item.encoded)
    costs = {name: cost(encoded) for name, encoded in requests.items()}
    everything = cost([item.encoded for item in prepared.asked])
    stated = config.plan.tokens_per_second
    rate = stated or measured_rate(Path(config.results), prepared.backend.fingerprint)
    console.print(_table(costs, everything, rate))
    if rate is None:
        console.print(
            "No time: nothing was run yet with this model, backend and dtype in this results folder; state a rate with "
            "plan.tokens_per_second=N."
        )
    else:
        origin = "as stated" if stated else "measured in earlier runs here"
        console.print(f"Time at {rate:,.0f} tokens/s, {origin}; generated tokens at most.")
    console.print()
    console.print(_power_table(prepared.builds, config.plan))
    console.print(_assumed(config.plan), highlight=False)
    console.print()
    console.print(_memory(config, prepared), highlight=False)
    for reason in prepared.missing.values():
        print(f"missing: {reason}", file=sys.stderr)
    return prepared.missing


def _table(costs: dict[str, Cost], everything: Cost, rate: float | None) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ["Task", "Requests", "Unshared", "Unique", "Ratio", "Head rows", "Generated", *([] if rate is None else ["Minutes"])]:
        table.add_column(name, justify="left" if name == "Task" else "right", no_wrap=True)
    for name, one in [*costs.items(), ("all", everything)]:
        if name == "all":
            table.add_section()
        cells = [one.requests, one.unshared, one.unique, one.head_rows, one.generated]
        row = [name, *(f"{cell:,}" for cell in cells)]
        row.insert(4, f"{one.unshared / max(one.unique, 1):.1f}x")
        if rate is not None:
            row.append(f"{(one.unique + one.generated) / rate / 60:.1f}")
        table.add_row(*row)
    return table


def _power_table(builds: list[TaskSamples], plan: PlanConfig) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    points = f"{100 * plan.difference:g} points"
    for name in ["Task", "Items", "Clusters", "Detects", "unpaired", f"Limit for {points}", "unpaired", "gate"]:
        table.add_column(name, justify="left" if name == "Task" else "right", no_wrap=True)
    for built in builds:
        items, clusters = len(built.samples), len({sample.cluster for sample in built.samples})
        table.add_row(built.task.name, f"{items:,}", f"{clusters:,}", *_power_cells(items, clusters, built.size, plan))
    return table


def _power_cells(items: int, clusters: int, size: int, plan: PlanConfig) -> list[str]:
    """What the items could show, paired and unpaired; how many a wanted difference needs, likewise and for the gate."""
    effective = power.effective_items(items, clusters, plan.correlation)
    paired, unpaired = power.paired_variance(plan.discordant), power.unpaired_variance(plan.right)
    smallest = [power.detectable(effective, variance, alpha=plan.alpha, power=plan.power) for variance in (paired, unpaired)]
    needed = [power.items_needed(plan.difference, variance, alpha=plan.alpha, power=plan.power) for variance in (paired, unpaired)]
    needed.append(power.items_needed(plan.difference, paired, sides=1, alpha=plan.alpha, power=plan.power))
    limits = [round(count * items / effective) if effective else count for count in needed]
    return [
        *(f"{100 * value:.1f}" for value in smallest),
        *(f"{limit:,}" if limit <= size else f"{limit:,} (has {size:,})" for limit in limits),
    ]


def _assumed(plan: PlanConfig) -> str:
    return (
        f"Smallest true difference, in points of 100, found with {plan.power:.0%} power at alpha {plan.alpha:g}, if "
        f"{plan.discordant:.0%} of items change between the runs (paired) or each run gets {plan.right:.0%} right (unpaired), and "
        f"changes within a cluster correlate by {plan.correlation:g}. gate: items to pass a harmless build with that margin. "
        "These are assumptions: plan.discordant=, plan.difference=, ... change them."
    )


def _memory(config: RunConfig, prepared: Prepared) -> str:
    """One sentence: what the run needs beside what the device has."""
    longest = max((item.encoded.tokens_needed for item in prepared.asked), default=0)
    needed = need(
        prepared.checkpoint.path,
        bits=config.weights.bits or 8 * _dtype_bytes(config),
        dtype_bytes=_dtype_bytes(config),
        longest=longest,
        pass_tokens=getattr(config.backend, "pass_tokens", TransformersConfig.pass_tokens),
        windowed=config.backend.name == "vllm",
    )
    spread = bool(getattr(config.backend, "device_map", None)) or getattr(config.backend, "tensor_parallel_size", 1) > 1
    name, available = device_bytes(str(getattr(config.backend, "device", "auto")), spread)
    if config.plan.memory_gb:
        name, available = "the stated device", round(config.plan.memory_gb * 2**30)
    return fits(needed, available, name, longest)


def fits(needed: Need, available: int, name: str, longest: int) -> str:
    cache = f"keys and values of the longest request ({longest:,} tokens) {_gib(needed.cache)}"
    parts = f"weights {_gib(needed.weights)}, {cache}, activations {_gib(needed.activations)}"
    tokens_needed = available - needed.weights - needed.activations
    if tokens_needed < needed.cache:
        verdict = f"does NOT fit: {_gib(needed.total - available)} too much. Choose smaller weights=, more devices, or fewer shots"
    else:
        verdict = f"fits, with room for {tokens_needed // max(needed.cache, 1):,} such requests at once"
    return f"Memory: {parts}; {_gib(needed.total)} of {_gib(available)} ({name}): {verdict}."


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def _dtype_bytes(config: RunConfig) -> int:
    return 4 if getattr(config.backend, "dtype", None) is Dtype.float32 else 2


def _plan(config: RunConfig) -> int:

    return MISSING if print_plan(config) else DONE
