"""What all figures have in common: colours and shapes of runs, labels, legends.

Colours are Okabe and Ito's, which colour-blind readers can tell apart. Every run has a shape too. The HTML page replaces each colour by a
custom property, so that it suits light and dark backgrounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gemma_eval.card import CARD_TABLES
from gemma_eval.store.scores import MetricScore

if TYPE_CHECKING:
    from gemma_eval.card.rebuilt import CardRun, Cell

INK = "#1b1d21"  # text, axes
FAINT = "#8a8f98"  # reference lines and published values
GRID = "#dcdfe4"
SERIES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
SHAPES = "osD^vPXp"

STYLE: Any = {  # matplotlib's type of it is a list of all its settings
    "font.size": 8.5,
    "axes.titlesize": 9.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "gemma_eval",  # the same figure is the same file
    "pdf.fonttype": 42,
    "text.color": INK,
    "text.parse_math": False,  # names may hold dollar signs
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}

SCALES = {task: row.scale for table in CARD_TABLES for row in table.rows for task in row.tasks}
LONGEST = 40  # characters of a label
NARROWEST = 4.5  # inches of a figure, which must hold a legend


@dataclass(frozen=True)
class Chart:
    """A figure that a report may have.

    `name` is that of its file. `plot` draws it and returns it with its caption, or None if there is nothing to show. The page shows title
    and caption outside of the figure.
    """

    name: str
    title: str
    plot: Callable[[], Plot | None]

    def draw(self) -> Drawn | None:
        """The figure; None if there is nothing to show."""
        plot = self.plot()
        return Drawn(self.name, self.title, plot.caption, plot.figure) if plot else None


@dataclass(frozen=True)
class Plot:
    """A matplotlib figure and its caption."""

    figure: Figure
    caption: str


@dataclass(frozen=True)
class Drawn:
    """A chart that was drawn."""

    name: str
    title: str
    caption: str
    figure: Figure


@dataclass(frozen=True)
class Value:
    """A score in the card's unit, with its 95 % interval from `low` to `high`. The interval has no length if it is not known."""

    value: float
    low: float
    high: float


def cell_value(cell: Cell) -> Value | None:
    """What was measured, in the card's unit; None if nothing was."""
    return None if cell.value is None else _value(cell.value, cell.low, cell.high)


def value_of(task: str, score: MetricScore) -> Value | None:
    """The score of a task, or of one of its subsets, in the card's unit; None if it is not known."""
    scale = SCALES.get(task, 100.0)
    if score.value is None:
        return None
    return _value(score.value * scale, *(None if end is None else end * scale for end in (score.low, score.high)))


def _value(value: float, low: float | None, high: float | None) -> Value:
    """A value whose interval contains it, whatever the run recorded."""
    return Value(value, value if low is None else min(low, value), value if high is None else max(high, value))


def look(index: int) -> dict[str, Any]:
    """matplotlib's colour and marker of the run with this index."""
    return {"color": SERIES[index % len(SERIES)], "marker": SHAPES[index % len(SHAPES)]}


def points(axes: Axes, index: int, places: Sequence[float], values: Sequence[Value], *, flat: bool = False) -> None:
    """Draw a run's values with their intervals. `places` are on the x axis and values on the y axis; with `flat`, the other way around."""
    errors = [[value.value - value.low for value in values], [value.high - value.value for value in values]]
    found = [value.value for value in values]
    more: dict[str, Any] = {"xerr" if flat else "yerr": errors} | look(index)
    axes.errorbar(*((found, places) if flat else (places, found)), linestyle="", markersize=4, elinewidth=1.0, **more)


def label_text(text: str) -> str:
    """The text as a label: one line of at most `LONGEST` characters, without control characters."""
    text = "".join(sign if sign.isprintable() else "?" for sign in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def run_label(run: CardRun) -> str:
    """The run's letter, size, variant and weights."""
    return label_text(f"{run.letter}: {run.size.upper()} {run.model.variant}, {run.model.weights}")


def legend(figure: Figure, runs: Sequence[tuple[int, str]], *, extra: Sequence[Line2D] = (), always: bool = False) -> None:
    """Put a legend above the figure, in as many columns as fit. A single run has none, unless `always` is set.

    runs: index and label of each run that is shown; extra: lines that belong to no run.
    """
    if len(runs) < 2 and not extra and not always:
        return
    handles = [Line2D([], [], linestyle="", label=label, markersize=5, **look(index)) for index, label in runs]
    widest = 0.5 + 0.075 * max(len(str(handle.get_label())) for handle in [*handles, *extra])  # inches
    columns = max(1, min(len(handles) + len(extra), int(figure.get_figwidth() / widest)))
    figure.legend(handles=[*handles, *extra], loc="outside upper left", ncols=columns, handletextpad=0.3, columnspacing=1.2)


def rows_axes(labels: Sequence[str], height: float, *, columns: int = 1, width: float = 7.2) -> tuple[Figure, list[Axes]]:
    """A figure with one labelled row for each of `labels`, the first on top, and its axes [columns].

    `height` is that of a row and `width` that of the figure, in inches.
    """
    figure = Figure(figsize=(width, 1.1 + height * len(labels)), layout="constrained")
    axes: list[Axes] = list(figure.subplots(1, columns, sharey=True, squeeze=False)[0])
    axes[0].set_yticks(range(len(labels)), [label_text(label) for label in labels])
    axes[0].set_ylim(len(labels) - 0.4, -0.6)
    for one in axes:
        one.tick_params(axis="y", length=0)
    return figure, axes


def offsets(count: int) -> list[float]:
    """Where the runs are drawn within a row of height one, so that their intervals do not cover one another."""
    return [0.0] if count == 1 else [0.62 * (index / (count - 1) - 0.5) for index in range(count)]


def panels(count: int, *, columns: int, width: float, height: float, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, and their axes row by row. Sizes are inches of a panel. The lowest panel of each column has x labels."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(max(width * columns, NARROWEST), height * rows + 0.5), layout="constrained")
    axes: list[Axes] = list(figure.subplots(rows, columns, squeeze=False, **shared).flat)
    for one in axes[count - columns : count]:
        one.tick_params(labelbottom=True)
    for one in axes[count:]:
        one.set_axis_off()
    return figure, axes[:count]


def name_points(axes: Axes, dots: Sequence[tuple[float, Value, str]]) -> None:
    """Write names next to their points, the first ones first, wherever there is room beside other names, points and intervals.

    dots: x, value on the y axis, and name of each point.
    """
    figure = axes.figure.figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    inch = figure.dpi / 72
    shown, low, high = (axes.transData.transform([(x, getattr(y, end)) for x, y, _ in dots]) for end in ("value", "low", "high"))
    taken = np.hstack([low - NEAR * inch, high + NEAR * inch])
    sizes = {name: _size(axes, name) for name in {label_text(name) for _, _, name in dots}}
    for (x, y, name), place in zip(dots, shown, strict=True):
        for corner in _beside(sizes[label_text(name)], BESIDE * inch):
            box = np.hstack([place + corner, place + corner + sizes[label_text(name)]])
            inside = np.all(box[:2] >= axes.bbox.extents[:2]) and np.all(box[2:] <= axes.bbox.extents[2:])
            if inside and not _covered(box, taken):
                taken = np.vstack([taken, box])
                offset = (float(corner[0] / inch), float(corner[1] / inch))
                axes.annotate(label_text(name), (x, y.value), offset, textcoords="offset points", va="bottom", fontsize=NAME_SIZE)
                break


NAME_SIZE = 7
NEAR, BESIDE = 2.5, 5.0  # points (1/72 inch) around a dot that stay free, and from its middle to its name
Pair = npt.NDArray[np.float64]


def _size(axes: Axes, name: str) -> Pair:
    """Width and height of a name in pixels."""
    text = axes.text(0, 0, name, fontsize=NAME_SIZE)
    box = text.get_window_extent()
    text.remove()
    return np.array([box.width, box.height])


def _beside(size: Pair, gap: float) -> list[Pair]:
    """Where the lower left corner of a name may be, relative to its point: right of it, left, above and below."""
    width, height = size
    return [
        np.array(corner) for corner in ((gap, -height / 2), (-gap - width, -height / 2), (-width / 2, gap), (-width / 2, -gap - height))
    ]


def _covered(box: Pair, others: npt.NDArray[np.float64]) -> bool:
    """Whether a box (left, bottom, right, top) lies over any of the others."""
    return bool(((others[:, :2] < box[2:]) & (others[:, 2:] > box[:2])).all(axis=1).any())
