"""Scores against what they cost: tokens computed and seconds an item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.ticker import NullFormatter, StrMethodFormatter

from gemma_eval.card.rebuilt import Card, CardRun
from gemma_eval.report.figures.style import Drawn, Value, legend, name_points, panels, points, run_label, value_of


@dataclass(frozen=True)
class Spent:
    """One task of a run: its score, drawn without an interval, and tokens computed and seconds for an item."""

    task: str
    score: Value
    tokens: float
    seconds: float


def against_cost(card: Card) -> Iterator[Drawn]:
    spent = {index: found for index, run in enumerate(card.runs) if (found := list(_spent(run)))}
    if not spent:
        return
    figure, axes = panels(2, columns=2, width=4.0, height=4.2, sharey=True)
    costs = {"tokens": "Tokens computed, an item", "seconds": "Seconds, an item"}
    for one, (cost, label) in zip(axes, costs.items(), strict=True):
        for index, found in spent.items():
            points(one, index, [getattr(each, cost) for each in found], [each.score for each in found])
        one.set(xscale="log", xlabel=label)
        one.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        one.xaxis.set_minor_formatter(NullFormatter())
        one.margins(0.12)
    axes[0].set_ylabel("Score, in the card's unit")
    legend(figure, [(index, run_label(card.runs[index])) for index in spent])
    for one, cost in zip(axes, costs, strict=True):
        name_points(one, [(getattr(each, cost), each.score, each.task) for found in spent.values() for each in found])
    yield Drawn(
        "cost",
        "Score against tokens and seconds",
        "Each point is a task of one run. Tokens: those that were run through the model, shared prefixes once. Names stand where there is "
        "room.",
        figure,
    )


def _spent(run: CardRun) -> Iterator[Spent]:
    for task, entry in run.tasks.items():
        value, computed, seconds = value_of(task, entry, entry["primary"]), entry["tokens"]["computed"], entry["seconds"]
        if value and entry["n"] and computed > 0 and seconds > 0:
            yield Spent(task, Value(value.value, value.value, value.value), computed / entry["n"], seconds / entry["n"])
