"""The report as one HTML page: overview, the card's tables, every number of scores.json, and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from gemma_eval.card.rebuilt import Card, CardRun, Verdict
from gemma_eval.report.figures import Drawn, figures, inline_svg
from gemma_eval.report.grid import EXPLAINED, Column, grid
from gemma_eval.report.html import render
from gemma_eval.store.run_dir import RunDir

ITEMS = Path("items/index.html")  # the item browser, where it was written beside the page


@dataclass(frozen=True)
class Chart:
    """A figure, in the page's own colours."""

    name: str
    title: str
    caption: str
    svg: Markup


def to_html(card: Card, runs: Sequence[RunDir], folder: Path) -> str:
    """`folder`: where the page will stand."""
    return render(
        "report.html.j2",
        title=", ".join(run.name for run in card.runs),
        runs=[_overview(run) for run in card.runs],
        verdicts=[(verdict, [counts[verdict] for counts in card.counts()]) for verdict in Verdict],
        grids=[grid(sheet, card.runs, wide=True) for sheet in card.sheets],
        groups=groups,
        starts=starts,
        several=len(card.runs) > 1,
        explained=EXPLAINED.replace("*", ""),
        scores=[(run, list(_scores(run))) for run in card.runs],
        charts=[_chart(drawn) for drawn in figures(card, runs)],
        items=ITEMS.as_posix() if (folder / ITEMS).is_file() else "",
    )


def groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Headings over the columns, each with how many it spans."""
    return [(name, len(list(members))) for name, members in groupby(column.group for column in columns)]


def starts(columns: Sequence[Column]) -> list[bool]:
    """Which columns begin a group."""
    return [index > 0 and column.group != columns[index - 1].group for index, column in enumerate(columns)]


def _chart(drawn: Drawn) -> Chart:
    return Chart(drawn.name, drawn.title, drawn.caption, Markup(inline_svg(drawn)))


def _overview(run: CardRun) -> dict[str, Any]:
    entries = run.tasks.values()
    memory = ", ".join(f"{place} {size / 2**30:.1f} GiB" for place, size in run.scores.get("peak_memory", {}).items())
    return {
        "letter": run.letter,
        "name": run.name,
        "title": run.title,
        "tasks": len(run.tasks),
        "items": sum(entry["n"] for entry in entries),
        "computed": sum(entry["tokens"]["computed"] for entry in entries),
        "seconds": sum(entry["seconds"] for entry in entries),
        "memory": memory,
    }


@dataclass(frozen=True)
class ScoreLine:
    """A metric of a task or of one of its subsets, as scores.json has it."""

    task: str
    subset: str
    metric: str
    n: int
    value: float | None
    stderr: float | None
    interval: tuple[float, float] | None


def _scores(run: CardRun) -> Iterator[ScoreLine]:
    for task, entry in run.tasks.items():
        yield from _metrics(task, "", entry)
        for other in ("micro", "macro"):
            if other in entry:
                yield from _metrics(task, f"({other} average)", {"n": entry["n"], "metrics": entry[other]})
        for kind in ("groups", "subsets"):
            for name, part in entry.get(kind, {}).items():
                yield from _metrics(task, name, part)


def _metrics(task: str, subset: str, entry: dict[str, Any]) -> Iterator[ScoreLine]:
    for name, metric in entry["metrics"].items():
        yield ScoreLine(task, subset, name, entry["n"], metric["value"], metric["stderr"], metric["ci95"])
