"""What a run would cost: the planner's token counts by task, and the time at a rate measured in earlier runs."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from gemma_eval.plan import Cost, cost
from gemma_eval.run import prepare
from gemma_eval.settings import RunConfig
from gemma_eval.types import Encoded


def print_plan(config: RunConfig, console: Console | None = None) -> dict[str, str]:
    """Print the plan of these settings; returns what could not be had, by task."""
    console = console or Console()
    prepared = prepare(config, weights=False)
    requests: dict[str, list[Encoded]] = defaultdict(list)
    for item in prepared.asked:
        requests[item.task.name].append(item.encoded)
    costs = {name: cost(encoded) for name, encoded in requests.items()}
    everything = cost([item.encoded for item in prepared.asked])
    rate = measured_rate(Path(config.results), prepared.backend.fingerprint)
    console.print(_table(costs, everything, rate))
    if rate is None:
        console.print("No time: nothing was run yet with this model, backend and dtype in this results folder.")
    else:
        console.print(f"Time at {rate:,.0f} tokens/s, measured in earlier runs here; generated tokens at most.")
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
        cells = [one.requests, one.peers, one.unique, one.head_rows, one.generated]
        row = [name, *(f"{cell:,}" for cell in cells)]
        row.insert(4, f"{one.peers / max(one.unique, 1):.1f}x")
        if rate is not None:
            row.append(f"{(one.unique + one.generated) / rate / 60:.1f}")
        table.add_row(*row)
    return table


def measured_rate(results: Path, fingerprint: dict[str, Any]) -> float | None:
    """Tokens computed per second over all earlier runs with the same model and engine, or None."""
    tokens, seconds = 0, 0.0
    for file in results.glob("*/environment.json"):
        usage = file.parent / "usage.json"
        if usage.is_file() and json.loads(file.read_text()).get("model") == fingerprint:
            for spent in json.loads(usage.read_text()).values():
                tokens += spent["computed"]
                seconds += spent["seconds"]
    return tokens / seconds if seconds else None
