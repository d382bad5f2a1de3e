"""One model in several weights: how much each loses, task by task, on the items that both runs answered."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

from gemma_eval.card.rebuilt import Card, CardRun
from gemma_eval.compare import Comparison, compare
from gemma_eval.errors import RunError
from gemma_eval.report.figures.style import FAINT, Chart, Plot, Value, label_text, legend, offsets, points, rows_axes
from gemma_eval.store.run_dir import RunDir

FULL = "bf16"


def charts(card: Card, runs: Sequence[RunDir]) -> Iterator[Chart]:
    """A figure for each model with several weights, compared with the run of the full ones, else with the first run."""
    for (size, variant), members in _same_model(card).items():
        first = next((index for index in members if card.runs[index].model.weights == FULL), members[0])
        others = [index for index in members if card.runs[index].model.weights != card.runs[first].model.weights]
        title = f"{size.upper()} {variant}: weights against {card.runs[first].model.weights}"
        yield Chart(f"weights_{size}_{variant}", title, partial(_plot, card, runs, first, others))


def _same_model(card: Card) -> dict[tuple[str, str], list[int]]:
    """Indices of the runs by size and variant."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, run in enumerate(card.runs):
        groups[run.size, run.model.variant].append(index)
    return groups


def _compared(first: RunDir, other: RunDir) -> Comparison | None:
    """None where the runs have no item in common."""
    try:
        return compare(first, other)
    except RunError:
        return None


def _plot(card: Card, runs: Sequence[RunDir], first: int, others: Sequence[int]) -> Plot | None:
    found = {index: comparison for index in others if (comparison := _compared(runs[first], runs[index]))}
    if not found:
        return None
    names = list(dict.fromkeys(task.name for comparison in found.values() for task in comparison.tasks))
    mean = ["mean of tasks"] if any(comparison.pooled for comparison in found.values()) else []
    figure, (axes,) = rows_axes([*names, *mean], 0.2 + 0.05 * len(found))
    axes.axvline(0, color=FAINT, linewidth=0.8)
    for (index, comparison), offset in zip(found.items(), offsets(len(found)), strict=True):
        values = [(names.index(task.name), _value(task.difference.value, task.interval)) for task in comparison.tasks]
        if comparison.pooled:
            values.append((len(names), _value(comparison.pooled.value, comparison.pooled.interval())))
        points(axes, index, [place + offset for place, _ in values], [value for _, value in values], flat=True)
    axes.set_xlabel(f"Difference to {_label(card.runs[first])}, points of 100")
    legend(figure, [(index, _label(card.runs[index])) for index in found], always=True)
    return Plot(
        figure,
        "Paired differences on the items that both runs answered with the same prompts. 95 % intervals are clustered if items are not "
        "independent. Left of zero, the run has lost points.",
    )


def _label(run: CardRun) -> str:
    return label_text(f"{run.letter}: {run.model.weights}")


def _value(value: float, interval: tuple[float, float]) -> Value:
    low, high = (value if math.isnan(end) else end for end in interval)
    return Value(100 * value, 100 * min(low, value), 100 * max(high, value))
