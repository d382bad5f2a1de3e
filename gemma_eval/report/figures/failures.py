"""Answers that were unparsed, empty or truncated, and prompts that dropped exemplars."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gemma_eval.card.rebuilt import Card
from gemma_eval.report.figures.style import Chart, Plot, Value, legend, offsets, points, rows_axes, run_label
from gemma_eval.store.scores import TaskScores

COUNTS = {
    "extraction_failures": "Unparsed",
    "empty": "Empty",
    "truncated": "Truncated",
    "dropped_shots": "Exemplars dropped",
}


def charts(card: Card) -> Iterator[Chart]:
    """The figure."""
    yield Chart("failures", "Answers that failed", partial(_plot, card))


def _plot(card: Card) -> Plot | None:
    measured = [(task, scores) for run in card.runs for task, scores in run.tasks.items()]
    tasks = list(dict.fromkeys(task for task, scores in measured if any(getattr(scores, key) for key in COUNTS)))
    if not tasks:
        return None
    kinds = [key for key in COUNTS if any(getattr(scores, key) for _, scores in measured)]
    runs = [index for index, run in enumerate(card.runs) if any(task in run.tasks for task in tasks)]
    figure, axes = rows_axes(tasks, 0.17 + 0.025 * len(runs), columns=len(kinds), width=2.2 + 1.4 * len(kinds))
    for one, key in zip(axes, kinds, strict=True):
        for index, offset in zip(runs, offsets(len(runs)), strict=True):
            rates = [(place + offset, _rate(card.runs[index].tasks.get(task), key)) for place, task in enumerate(tasks)]
            failed = [(place, rate) for place, rate in rates if rate]
            points(one, index, [place for place, _ in failed], [Value(rate, rate, rate) for _, rate in failed], flat=True)
        one.set_title(COUNTS[key])
        one.set_xlim(left=0)
        one.margins(x=0.1)
    figure.supxlabel("% of the items", fontsize=8.5)
    legend(figure, [(index, run_label(card.runs[index])) for index in runs])
    return Plot(
        figure,
        "Shares of a task's items; a share of zero is not drawn. Unparsed: no answer was found in the text, which counts as wrong. "
        "Truncated: the text ended at max_tokens. Exemplars dropped: the prompt would have been too long with all of them.",
    )


def _rate(scores: TaskScores | None, key: str) -> float:
    """Percent of the items."""
    return 100 * getattr(scores, key) / scores.n if scores and scores.n else 0.0
