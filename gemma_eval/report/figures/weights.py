"""One model in several weights: what each costs, task by task, on the items both answered."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from gemma_eval.card.rebuilt import Card, CardRun
from gemma_eval.compare import Comparison, compare
from gemma_eval.errors import RunError
from gemma_eval.report.figures.style import FAINT, Drawn, Value, legend, offsets, plain, points, rows_axes
from gemma_eval.store.run_dir import RunDir

FULL = "bf16"


def weights_against_weights(card: Card, runs: Sequence[RunDir]) -> Iterator[Drawn]:
    for (size, variant), members in _same_model(card).items():
        first = next((index for index in members if card.runs[index].model["weights"] == FULL), members[0])
        others = [index for index in members if card.runs[index].model["weights"] != card.runs[first].model["weights"]]
        found = {index: comparison for index in others if (comparison := _compared(runs[first], runs[index]))}
        if found:
            yield _drawn(f"{size}_{variant}", card.runs, first, found)


def _same_model(card: Card) -> dict[tuple[str, str], list[int]]:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, run in enumerate(card.runs):
        groups[run.size, run.model["variant"]].append(index)
    return groups


def _compared(first: RunDir, other: RunDir) -> Comparison | None:
    """None where the runs have no item in common."""
    try:
        return compare(first, other)
    except RunError:
        return None


def _drawn(name: str, runs: Sequence[CardRun], first: int, found: dict[int, Comparison]) -> Drawn:
    names = list(dict.fromkeys(task.name for comparison in found.values() for task in comparison.tasks))
    mean = ["mean of tasks"] if any(comparison.pooled for comparison in found.values()) else []
    figure, (axes,) = rows_axes([*names, *mean], 0.2 + 0.05 * len(found))
    axes.axvline(0, color=FAINT, linewidth=0.8)
    for (index, comparison), offset in zip(found.items(), offsets(len(found)), strict=True):
        values = [(names.index(task.name), _value(task.difference.value, task.interval)) for task in comparison.tasks]
        if comparison.pooled:
            values.append((len(names), _value(comparison.pooled.value, comparison.pooled.interval())))
        points(axes, index, [place + offset for place, _ in values], [value for _, value in values], flat=True)
    base = runs[first]
    axes.set_xlabel(f"Difference to {plain(base.model['weights'])} ({base.letter}), points of 100")
    legend(figure, [(index, plain(f"{runs[index].letter}: {runs[index].model['weights']}")) for index in found], always=True)
    return Drawn(
        f"weights_{name}",
        f"{name.replace('_', ' ').upper()}: weights against {base.model['weights']}",
        "Paired differences on the items that both runs answered, asked in the same words, with 95 % intervals (clustered where items "
        "are not independent). Left of zero: lost by the smaller weights.",
        figure,
    )


def _value(value: float, interval: tuple[float, float]) -> Value:
    low, high = (value if math.isnan(end) else end for end in interval)
    return Value(100 * value, 100 * min(low, value), 100 * max(high, value))
