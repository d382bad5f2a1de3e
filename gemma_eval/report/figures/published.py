"""Measured beside published scores: on a diagonal, and as differences."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from matplotlib.figure import Figure

from gemma_eval.card.rebuilt import Card, Cell, Sheet
from gemma_eval.report.figures.style import (
    FAINT,
    Chart,
    Plot,
    Value,
    cell_value,
    legend,
    name_points,
    offsets,
    points,
    rows_axes,
    run_label,
)


def charts(card: Card) -> Iterator[Chart]:
    """The two figures."""
    yield Chart("published_measured", "Published against measured", partial(_diagonal, card))
    yield Chart("differences", "Measured minus published", partial(_differences, card))


def _diagonal(card: Card) -> Plot | None:
    pairs = {index: list(_pairs(card, index)) for index in range(len(card.runs))}
    shown = {index: found for index, found in pairs.items() if found}
    if not shown:
        return None
    figure = Figure(figsize=(6.6, 6.4), layout="constrained")
    axes = figure.subplots()
    top = 5 + max(max(x, value.high) for found in shown.values() for x, value, _ in found)
    axes.plot([0, top], [0, top], color=FAINT, linewidth=0.8)
    for index, found in shown.items():
        points(axes, index, [x for x, _, _ in found], [value for _, value, _ in found])
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="Published", ylabel="Measured", aspect="equal")
    legend(figure, [(index, run_label(card.runs[index])) for index in shown])
    dots = [dot for found in shown.values() for dot in found]
    name_points(axes, sorted(dots, key=lambda dot: -abs(dot[1].value - dot[0])))
    return Plot(
        figure,
        "Each point is a row of the card for one run, with its 95 % interval. On the line, both agree. Values are in the card's unit. "
        "Points are named where there is room, those farthest from the line first.",
    )


def _pairs(card: Card, index: int) -> Iterator[tuple[float, Value, str]]:
    """Published and measured values of a run, with the benchmark's name."""
    for row in (row for sheet in card.sheets for row in sheet.rows):
        number, value = row.cells[index].published, cell_value(row.cells[index])
        if number and value:
            yield number.value, value, row.benchmark


def _differences(card: Card) -> Plot | None:
    lines = [line for sheet in card.sheets for line in _lines(sheet)]
    if not lines:
        return None
    runs = [index for index in range(len(card.runs)) if any(cells and cells[index].difference is not None for _, cells in lines)]
    figure, (axes,) = rows_axes([name for name, _ in lines], 0.18 + 0.045 * len(runs))
    axes.axvline(0, color=FAINT, linewidth=0.8)
    for index, offset in zip(runs, offsets(len(runs)), strict=True):
        found = [(place + offset, value) for place, (_, cells) in enumerate(lines) if cells and (value := _difference(cells[index]))]
        points(axes, index, [place for place, _ in found], [value for _, value in found], flat=True)
    for label, (_, cells) in zip(axes.get_yticklabels(), lines, strict=True):
        label.set_fontweight("normal" if cells else "bold")
    axes.set_xlabel("Measured minus published, in the card's unit")
    legend(figure, [(index, run_label(card.runs[index])) for index in runs])
    return Plot(
        figure,
        "Differences with the 95 % interval of the measured value, which is of sampling error alone. An interval that contains zero agrees "
        "with the card.",
    )


def _difference(cell: Cell) -> Value | None:
    value = cell_value(cell)
    if value is None or cell.published is None:
        return None
    return Value(*(end - cell.published.value for end in (value.value, value.low, value.high)))


def _lines(sheet: Sheet) -> Iterator[tuple[str, list[Cell]]]:
    """The table's title, and its rows with a difference."""
    rows = [row for row in sheet.rows if any(cell.difference is not None for cell in row.cells)]
    if rows:
        yield sheet.title, []
        yield from ((row.benchmark, row.cells) for row in rows)
