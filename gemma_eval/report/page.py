"""The report as one HTML page: overview, the card's tables, figures, and every number of scores.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from gemma_eval.card.rebuilt import Card, CardRun, Verdict
from gemma_eval.report.figures import Drawn, Failed, figures, inline_svg
from gemma_eval.report.grid import EXPLAINED, grid
from gemma_eval.report.html import render
from gemma_eval.report.notes import run_notes
from gemma_eval.report.table import TextColumn
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.scores import MetricScore

ITEMS = Path("items/index.html")  # the item browser, where it was written beside the page


@dataclass(frozen=True)
class PageFigure:
    """A figure in the page's own colours. One that could not be drawn has no `svg`, and a caption that says why."""

    name: str
    title: str
    caption: str
    svg: Markup | None = None


def to_html(card: Card, runs: Sequence[RunDir], folder: Path) -> str:
    """The page of these runs, which are the card's, in its order. `folder`: the page's, where it looks for the item browser."""
    return render(
        "report.html.j2",
        title=", ".join(run.name for run in card.runs),
        runs=[_overview(run) for run in card.runs],
        verdicts=[(verdict, [counts[verdict] for counts in card.counts()]) for verdict in Verdict],
        grids=[grid(sheet, card.runs, wide=True) for sheet in card.sheets],
        groups=groups,
        starts=starts,
        several=len(card.runs) > 1,
        notes=run_notes(card.runs),
        explained=EXPLAINED,
        scores=[(run, list(_scores(run))) for run in card.runs],
        figures=[_figure(found) for found in figures(card, runs, inline_svg)],
        items=ITEMS.as_posix() if (folder / ITEMS).is_file() else "",
    )


def groups(columns: Sequence[TextColumn]) -> list[tuple[str, int]]:
    """The headings above the columns, each with the number of columns that it spans."""
    return [(name, len(list(members))) for name, members in groupby(column.group for column in columns)]


def starts(columns: Sequence[TextColumn]) -> list[bool]:
    """For each column, whether it begins a group."""
    return [index > 0 and column.group != columns[index - 1].group for index, column in enumerate(columns)]


def _figure(found: tuple[Drawn, str] | Failed) -> PageFigure:
    if isinstance(found, Failed):
        return PageFigure(found.name, found.title, f"This figure could not be drawn: {found.reason}.")
    drawn, svg = found
    return PageFigure(drawn.name, drawn.title, drawn.caption, Markup(svg))


def _overview(run: CardRun) -> dict[str, Any]:
    tasks = run.tasks.values()
    memory = ", ".join(f"{place} {size / 2**30:.1f} GiB" for place, size in run.scores.peak_memory.items())
    return {
        "letter": run.letter,
        "name": run.name,
        "title": run.title,
        "tasks": len(run.tasks),
        "items": sum(task.n for task in tasks),
        "computed": sum(task.tokens.computed for task in tasks),
        "seconds": sum(task.seconds for task in tasks) if all(task.seconds for task in tasks) else 0,  # unknown if any task's is
        "memory": memory,
    }


@dataclass(frozen=True)
class ScoreLine:
    """A metric of a task, or of one of its subsets, as scores.json has it."""

    task: str
    subset: str
    metric: str
    n: int
    value: float | None
    stderr: float | None
    interval: tuple[float, float] | None


def _scores(run: CardRun) -> Iterator[ScoreLine]:
    for name, task in run.tasks.items():
        yield from _lines(name, "", task.n, task.metrics)
        if task.other_average:
            average, metrics = task.other_average
            yield from _lines(name, f"({average} average)", task.n, metrics)
        for part, found in {**task.groups, **task.subsets}.items():
            yield from _lines(name, part, found.n, found.metrics)


def _lines(task: str, subset: str, n: int, metrics: Mapping[str, MetricScore]) -> Iterator[ScoreLine]:
    for name, metric in metrics.items():
        yield ScoreLine(task, subset, name, n, metric.value, metric.stderr, metric.ci95)
