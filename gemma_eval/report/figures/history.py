"""Scores of several runs of one model, in order, as CI leaves them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from gemma_eval.card.rebuilt import Card, CardRun
from gemma_eval.report.figures.style import Chart, Plot, Value, label_text, look, panels, points, value_of
from gemma_eval.types import ModelLabel

FEWEST = 3  # runs that make a history


def charts(card: Card) -> Iterator[Chart]:
    """A figure for each model that has enough runs."""
    groups: dict[ModelLabel, list[int]] = defaultdict(list)
    for index, run in enumerate(card.runs):
        groups[run.model].append(index)
    long = [members for members in groups.values() if len(members) >= FEWEST]
    for number, members in enumerate(long, 1):
        title = f"History of {card.runs[members[0]].title}"
        yield Chart(f"history_{number}" if len(long) > 1 else "history", title, partial(_plot, card, members))


def _shared(card: Card, members: list[int]) -> list[str]:
    """The tasks that all these runs have, with the same protocol."""
    first = card.runs[members[0]].tasks
    return [name for name in first if all(_protocol(card.runs[index], name) == _protocol(card.runs[members[0]], name) for index in members)]


def _protocol(run: CardRun, task: str) -> tuple[object, ...] | None:
    scores = run.tasks.get(task)
    return (scores.primary, scores.num_fewshot, scores.changed, scores.source) if scores else None


def _plot(card: Card, members: list[int]) -> Plot | None:
    tasks = _shared(card, members)
    if not tasks:
        return None
    figure, axes = panels(len(tasks), columns=4, width=2.1, height=1.5, sharex=True)
    for one, task in zip(axes, tasks, strict=True):
        values = [(place, value) for place, index in enumerate(members) if (value := _value(card.runs[index], task))]
        one.plot([place for place, _ in values], [value.value for _, value in values], color=look(0)["color"], linewidth=0.8)
        points(one, 0, [place for place, _ in values], [value for _, value in values])
        one.set_title(label_text(task), fontsize=8)
    step = 1 + len(members) // 12
    axes[0].set_xticks(range(0, len(members), step), [card.runs[index].letter for index in members[::step]])  # all share them
    return Plot(
        figure, f"{len(members)} runs in the order given, with 95 % intervals: the tasks that have the same protocol in all of them."
    )


def _value(run: CardRun, task: str) -> Value | None:
    return value_of(task, run.tasks[task].score)
