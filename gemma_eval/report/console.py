"""Cards and comparisons in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gemma_eval.card.rebuilt import Card, CardRun, Sheet, Verdict
from gemma_eval.report.grid import LEGEND, Column, Grid, grid, legend, split

if TYPE_CHECKING:
    from gemma_eval.report.comparison import TextTable

WIDTH = 120  # of a log, which has no width of its own
NARROWEST = 12  # of a column of words: "other settings" may wrap, "79.0 -10.6 ✓" may not

STYLES = {
    Verdict.consistent: "green",
    Verdict.differs: "red",
    Verdict.other_settings: "yellow",
    Verdict.not_stated: "yellow",
    Verdict.not_run: "dim",
}


def default_console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDTH)


def print_card(card: Card, console: Console | None = None) -> None:
    """As many runs side by side as fit."""
    console = console or default_console()
    if len(card.runs) > 1:
        print_lines([*legend(card.runs), LEGEND], console)
    for part in split(card, _abreast(card, console.width)):
        for sheet in part.sheets:
            _print_grid(_fitted(sheet, part.runs, console.width), part.runs, console)


def _abreast(card: Card, width: int) -> int:
    """How many runs fit beside one another, and beside the published numbers."""

    def fit(most: int) -> bool:
        return all(_width(grid(sheet, part.runs)) <= width for part in split(card, most) for sheet in part.sheets)

    return next((most for most in range(len(card.runs), 1, -1) if fit(most)), 1)


def _fitted(sheet: Sheet, runs: Sequence[CardRun], width: int) -> Grid:
    """In a narrow terminal the published numbers of other sizes go first."""
    whole = grid(sheet, runs)
    return whole if _width(whole) <= width else grid(sheet, runs, sizes=[run.size for run in runs])


def _width(shown: Grid) -> int:
    texts = zip(*([f"{entry.text} [{entry.note}]" if entry.note else entry.text for entry in row] for row in shown.rows), strict=True)
    return 1 + sum(_narrowest(column, cells) + 1 for column, cells in zip(shown.columns, texts, strict=True))


def _narrowest(column: Column, cells: Sequence[str]) -> int:
    if column.words and column.name != "Benchmark":
        return NARROWEST if any(cells) else 0
    return max(map(len, [column.name, *cells]))


def _print_grid(shown: Grid, runs: Sequence[CardRun], console: Console) -> None:
    title = f"{shown.title} - {runs[0].title}" if len(runs) == 1 else shown.title
    table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False, padding=0)
    kept = [i for i, column in enumerate(shown.columns) if column.name != "Remarks" or any(row[i].text for row in shown.rows)]
    for column in (shown.columns[index] for index in kept):
        wraps = column.words and column.name != "Benchmark"
        least = NARROWEST if wraps else len(column.name)
        table.add_column(Text(column.name), justify="left" if column.words else "right", no_wrap=not wraps, min_width=least)
    for row in shown.rows:
        style = next((STYLES.get(entry.verdict, "") for entry in row if entry.verdict), "") if len(runs) == 1 else ""
        cells = [Text(row[index].text, STYLES.get(verdict, "") if (verdict := row[index].verdict) else "") for index in kept]
        if note := row[0].note:
            cells[0].append(f" [{note}]", "dim")
        table.add_row(*cells, style=style)
    console.print(table)
    for index, text in enumerate(shown.notes, 1):
        console.print(Text(f"[{index}] {text}", "dim"))
    if shown.notes:
        console.print()


def print_lines(lines: Sequence[str], console: Console) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_table(shown: TextTable, console: Console, styles: Sequence[str] = ()) -> None:
    """`styles`: of the rows, if any."""
    table = Table(title=shown.title, title_justify="left", box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for index, name in enumerate(shown.header):
        table.add_column(name, justify="right" if index else "left", no_wrap=True)
    for index, row in enumerate(shown.rows):
        table.add_row(*row, style=styles[index] if styles else "")
    console.print(table)
