"""Scores against the size of the model, a panel for each benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gemma_eval.card import SIZES
from gemma_eval.card.rebuilt import Card, SheetRow
from gemma_eval.report.figures.style import FAINT, Chart, Plot, cell_value, label_text, legend, panels, points, run_label

BILLIONS = {"270m": 0.27, "1b": 1.0, "4b": 4.0, "12b": 12.0, "27b": 27.0}


def charts(card: Card) -> Iterator[Chart]:
    """The figure."""
    yield Chart("sizes", "Score against model size", partial(_plot, card))


def _plot(card: Card) -> Plot | None:
    rows = [
        row for sheet in card.sheets for row in sheet.rows if len(_sizes(card, row)) > 1 and any(c.value is not None for c in row.cells)
    ]
    if not rows:
        return None
    figure, axes = panels(len(rows), columns=6, width=1.85, height=1.3, sharex=True)
    for one, row in zip(axes, rows, strict=True):
        _panel(one, card, row)
    runs = [(index, run_label(run)) for index, run in enumerate(card.runs) if any(row.cells[index].value is not None for row in rows)]
    published = Line2D([], [], color=FAINT, marker="o", markerfacecolor="none", markersize=4, linewidth=0.9, label="published")
    legend(figure, runs, extra=[published])
    return Plot(
        figure,
        "A panel for each benchmark. A line joins the published values; measured values have 95 % intervals. Parameters are on a "
        "logarithmic scale. Scores are in the card's unit, and each panel has a scale of its own.",
    )


def _sizes(card: Card, row: SheetRow) -> set[str]:
    measured = {run.size for run, cell in zip(card.runs, row.cells, strict=True) if cell.value is not None}
    return {size for size in {*row.published, *measured} if size in BILLIONS}


def _panel(axes: Axes, card: Card, row: SheetRow) -> None:
    published = [(BILLIONS[size], number.value) for size, number in row.published.items()]
    axes.plot(*zip(*published, strict=True), color=FAINT, marker="o", markerfacecolor="none", markersize=4, linewidth=0.9)
    for index, (run, cell) in enumerate(zip(card.runs, row.cells, strict=True)):
        if run.size in BILLIONS and (value := cell_value(cell)):
            points(axes, index, [BILLIONS[run.size]], [value])
    axes.set_xscale("log")
    axes.set_xlim(0.2, 36)
    axes.set_xticks([BILLIONS[size] for size in SIZES], [size.upper() for size in SIZES], fontsize=5.8)
    axes.minorticks_off()
    axes.tick_params(axis="y", labelsize=7)
    axes.set_title(label_text(row.benchmark), fontsize=8)
