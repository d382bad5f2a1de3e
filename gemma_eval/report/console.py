"""Tables in a terminal.

`print_table` shows any `TextTable`, `print_card` the model card. In a narrow terminal a table leaves out whole columns, by their rank, and
a line below says which. If not even the columns of rank 0 fit, every row becomes a block of lines. A name or a number is never cut.

    table = TextTable("Tasks", [TextColumn("Task", Kind.name), TextColumn("Shots", rank=1), TextColumn("Data", Kind.words, 2)], rows)
    print_table(table, default_console())
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import TypeAlias

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from gemma_eval.card.rebuilt import Card, CardRun, Sheet, Verdict
from gemma_eval.report.grid import LEGEND, READ_EXPLAINED, REMARKS, Grid, grid, legend, split
from gemma_eval.report.layout import Layout, Rows, lay_out, on_one_line, wrap
from gemma_eval.report.notes import run_notes
from gemma_eval.report.table import Kind, TextColumn, TextTable

LOG_WIDTH = 120  # of a file or pipe, which has no width of its own

STYLES = {
    Verdict.consistent: "green",
    Verdict.differs: "red",
    Verdict.other_settings: "yellow",
    Verdict.not_stated: "yellow",
    Verdict.not_run: "dim",
}


class _Console(Console):
    """A console that leaves it to the command what a reader who has gone means. Rich would end the program, with code 1."""

    def on_broken_pipe(self) -> None:
        """Raise the `BrokenPipeError` on."""
        raise


def default_console() -> Console:
    """A console as wide as the terminal. COLUMNS overrides the width; a file or pipe has 120 columns without it."""
    return _Console(width=None if sys.stdout.isatty() or os.environ.get("COLUMNS") else LOG_WIDTH)


def print_lines(lines: Iterable[str], console: Console, style: str = "") -> None:
    """Print each text as a line of its own, which the terminal may wrap."""
    for line in lines:
        console.print(Text(line, style), soft_wrap=True)


def print_table(shown: TextTable, console: Console, styles: Sequence[str] = ()) -> None:
    """Print a table, and below it which columns were left out. `styles`: rich's style of each row, such as "red"; [rows] or empty."""
    left_out = _print(shown.title, shown.columns, shown.rows, lambda row, _: styles[row] if styles else "", console)
    _print_left_out(left_out, shown.full, console)


def print_card(card: Card, console: Console | None = None) -> None:
    """Print the card's tables, as many runs side by side as fit. Remarks that do not fit beside a run's values become footnotes."""
    console = console or default_console()
    if len(card.runs) > 1:
        print_lines([*legend(card.runs), LEGEND], console)
        console.print()
    left_out: dict[str, None] = {}
    for part in split(card, _abreast(card, console.width)):
        for sheet in part.sheets:
            left_out |= dict.fromkeys(_print_sheet(sheet, part.runs, console))
    if any(cell.readers for sheet in card.sheets for cell in sheet.cells):
        console.print(Text(READ_EXPLAINED, "dim"))
    print_lines(run_notes(card.runs), console)
    _print_left_out(list(left_out), "gemma-eval report --markdown -", console)


# -- the card ---------------------------------------------------------------------------------------------------


def _abreast(card: Card, width: int) -> int:
    """How many runs fit side by side, with the published numbers of their own sizes."""

    def fit(most: int) -> bool:
        return all(_fits(grid(sheet, part.runs), width) for part in split(card, most) for sheet in part.sheets)

    return next((most for most in range(len(card.runs), 1, -1) if fit(most)), 1)


def _fits(shown: Grid, width: int) -> bool:
    return lay_out(shown.columns, _texts(shown), width) is not None


def _print_sheet(sheet: Sheet, runs: Sequence[CardRun], console: Console) -> list[str]:
    """Print a table of the card and its footnotes. Returns the names of the columns that were left out."""
    shown = grid(sheet, runs)
    layout = lay_out(shown.columns, _texts(shown), console.width)
    if layout and _remarks_left_out(shown, layout):
        shown = grid(sheet, runs, remarks_below=True)
    alone = len(runs) == 1
    title = f"{shown.title} - {runs[0].title}" if alone else shown.title

    def style(row: int, column: int) -> str:
        """The verdict of a single run colours its row, the verdicts of several runs their cells."""
        coloured = shown.rows[row] if alone else [shown.rows[row][column]]
        return next((STYLES.get(cell.verdict, "") for cell in coloured if cell.verdict), "")

    left_out = _print(title, shown.columns, _texts(shown), style, console)
    for number, note in enumerate(shown.notes, 1):
        console.print(Text(on_one_line(f"[{number}] {note}"), "dim"))
    if shown.notes:
        console.print()
    return left_out


def _remarks_left_out(shown: Grid, layout: Layout) -> bool:
    index = next((index for index, column in enumerate(shown.columns) if column.name == REMARKS), None)
    return index is not None and index not in layout.shown and any(row[index].text for row in shown.rows)


def _texts(shown: Grid) -> list[list[str]]:
    return [[f"{cell.text} [{cell.note}]" if cell.note else cell.text for cell in row] for row in shown.rows]


# -- any table --------------------------------------------------------------------------------------------------


_Style: TypeAlias = Callable[[int, int], str]
"""rich's style of a cell, by row and column."""


def _print(title: str, columns: Sequence[TextColumn], rows: Rows, style: _Style, console: Console) -> list[str]:
    """Print a table. Returns the names of the columns that were left out."""
    rows = [[on_one_line(cell) for cell in row] for row in rows]
    if title:
        console.print(Text(on_one_line(title), "italic"))
    layout = lay_out(columns, rows, console.width)
    if layout is None:
        _print_blocks(columns, rows, style, console)
        return []
    _print_rows(columns, rows, layout, style, console)
    return [column.name for index, column in enumerate(columns) if index not in layout.shown and any(row[index] for row in rows)]


def _print_rows(columns: Sequence[TextColumn], rows: Rows, layout: Layout, style: _Style, console: Console) -> None:
    headings = [wrap(columns[index].name, width) for index, width in zip(layout.shown, layout.widths, strict=True)]
    _print_row(columns, headings, layout, ["bold"] * len(headings), console)
    console.print(Text("─" * layout.width, "dim"), soft_wrap=True)
    for y, row in enumerate(rows):
        cells = [
            wrap(row[x], width) if columns[x].kind is Kind.words else [row[x]] for x, width in zip(layout.shown, layout.widths, strict=True)
        ]
        _print_row(columns, cells, layout, [style(y, x) for x in layout.shown], console)
    console.print()


def _print_row(
    columns: Sequence[TextColumn], cells: Sequence[Sequence[str]], layout: Layout, styles: Sequence[str], console: Console
) -> None:
    """Print one row. cells: the lines of each cell that is shown, [shown][lines]; styles: [shown]."""
    for lines in zip_longest(*cells, fillvalue=""):
        printed = Text()
        for index, text, width, style in zip(layout.shown, lines, layout.widths, styles, strict=True):
            space = " " * (width - cell_len(text))
            printed.append(" " * layout.gap if printed else "")
            printed.append(space + text if columns[index].is_number else text + space, style)
        printed.rstrip()
        console.print(printed, soft_wrap=True)


def _print_blocks(columns: Sequence[TextColumn], rows: Rows, style: _Style, console: Console) -> None:
    """Print each row as a block of lines, with all of its columns."""
    for y, row in enumerate(rows):
        print_lines([row[0]], console, style(y, 0))
        for x, cell in enumerate(row[1:], 1):
            if cell:
                print_lines([f"  {columns[x].name}: {cell}"], console, style(y, x))
    console.print()


def _print_left_out(names: Sequence[str], full: str, console: Console) -> None:
    if names:
        otherwise = f" or use {full}" if full else ""
        text = f"Not shown at {console.width} columns: {', '.join(names)}; widen the terminal{otherwise}."
        console.print(Text(text, "dim"))
        console.print()
