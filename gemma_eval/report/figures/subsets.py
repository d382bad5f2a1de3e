"""Scores of a benchmark's subsets: subjects, languages, tasks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gemma_eval.card.rebuilt import Card
from gemma_eval.report.figures.style import FAINT, Chart, Plot, Value, legend, offsets, points, rows_axes, run_label, value_of
from gemma_eval.store.scores import TaskScores

FEWEST = 3  # subsets that are worth a figure


def charts(card: Card) -> Iterator[Chart]:
    """A figure for each task that has enough subsets in any run."""
    for task in dict.fromkeys(task for run in card.runs for task in run.tasks):
        yield Chart(f"subsets_{task}", f"Subsets of {task}", partial(_plot, card, task))


def _values(task: str, scores: TaskScores) -> dict[str, Value]:
    found = {name: value_of(task, subset.metrics[scores.primary]) for name, subset in scores.subsets.items()}
    return {name: value for name, value in found.items() if value}


def _plot(card: Card, task: str) -> Plot | None:
    values = {index: found for index, run in enumerate(card.runs) if task in run.tasks and (found := _values(task, run.tasks[task]))}
    if not any(len(found) >= FEWEST for found in values.values()):
        return None
    first = next(iter(values.values()))
    names = sorted({name for found in values.values() for name in found}, key=lambda name: -first[name].value if name in first else 1.0)
    figure, (axes,) = rows_axes(names, 0.165 + 0.03 * len(values))
    for (index, found), offset in zip(values.items(), offsets(len(values)), strict=True):
        places = [place + offset for place, name in enumerate(names) if name in found]
        points(axes, index, places, [found[name] for name in names if name in found], flat=True)
        if whole := value_of(task, card.runs[index].tasks[task].score):
            axes.axvline(whole.value, color=FAINT, linewidth=0.8, linestyle="--")
    axes.set_xlabel("Score, in the card's unit (dashed: the whole benchmark)")
    legend(figure, [(index, run_label(card.runs[index])) for index in values])
    return Plot(figure, f"{len(names)} subsets with 95 % intervals, sorted by the score of the first run that has any.")
