"""Scores against what they cost: tokens computed and seconds per item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from matplotlib.ticker import NullFormatter, StrMethodFormatter

from gemma_eval.card.rebuilt import Card, CardRun
from gemma_eval.report.figures.style import Chart, Plot, Value, legend, name_points, panels, points, run_label, value_of


@dataclass(frozen=True)
class ItemCost:
    """One task of a run: its score, drawn without an interval, and tokens computed and seconds per item."""

    task: str
    score: Value
    tokens: float
    seconds: float


def charts(card: Card) -> Iterator[Chart]:
    """The figure."""
    yield Chart("cost", "Score against tokens and seconds", partial(_plot, card))


def _plot(card: Card) -> Plot | None:
    spent = {index: found for index, run in enumerate(card.runs) if (found := list(_spent(run)))}
    if not spent:
        return None
    figure, axes = panels(2, columns=2, width=4.0, height=4.2, sharey=True)
    costs = {"tokens": "Tokens computed per item", "seconds": "Seconds per item"}
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
    return Plot(
        figure,
        "Each point is a task of one run. Tokens are those that the model computed, shared prefixes once. Points are named where there is "
        "room.",
    )


def _spent(run: CardRun) -> Iterator[ItemCost]:
    for task, scores in run.tasks.items():
        value, computed, seconds = value_of(task, scores.score), scores.tokens.computed, scores.seconds
        if value and scores.n and computed > 0 and seconds > 0:
            yield ItemCost(task, Value(value.value, value.value, value.value), computed / scores.n, seconds / scores.n)
