"""Answers that were not found, empty or cut short, and prompts that lost exemplars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gemma_eval.card.rebuilt import Card
from gemma_eval.report.figures.style import Drawn, Value, legend, offsets, points, rows_axes, run_label

RATES = {
    "extraction_failures": "No answer found",
    "empty": "Empty",
    "truncated": "Cut at max_tokens",
    "dropped_shots": "Fewer exemplars",
}


def failure_rates(card: Card) -> Iterator[Drawn]:
    tasks = list(dict.fromkeys(task for run in card.runs for task, entry in run.tasks.items() if any(entry[key] for key in RATES)))
    if not tasks:
        return
    kinds = [key for key in RATES if any(entry[key] for run in card.runs for entry in run.tasks.values())]
    runs = [index for index, run in enumerate(card.runs) if any(task in run.tasks for task in tasks)]
    figure, axes = rows_axes(tasks, 0.17 + 0.025 * len(runs), columns=len(kinds), width=2.2 + 1.4 * len(kinds))
    for one, key in zip(axes, kinds, strict=True):
        for index, offset in zip(runs, offsets(len(runs)), strict=True):
            rates = [(place + offset, _rate(card.runs[index].tasks.get(task), key)) for place, task in enumerate(tasks)]
            failed = [(place, rate) for place, rate in rates if rate]
            points(one, index, [place for place, _ in failed], [Value(rate, rate, rate) for _, rate in failed], flat=True)
        one.set_title(RATES[key])
        one.set_xlim(left=0)
        one.margins(x=0.1)
    figure.supxlabel("% of the items", fontsize=8.5)
    legend(figure, [(index, run_label(card.runs[index])) for index in runs])
    yield Drawn(
        "failures",
        "Answers that failed",
        "Shares of a task's items; those with none are not drawn. An answer not found counts as wrong.",
        figure,
    )


def _rate(entry: dict[str, Any] | None, key: str) -> float:
    return 100 * entry[key] / entry["n"] if entry and entry["n"] else 0.0
