"""Cards and comparisons in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Console
from rich.table import Table

from gemma_eval.report.card import Sheet, Verdict, rows_as_text

if TYPE_CHECKING:
    from gemma_eval.report.comparison import TextTable

WIDTH = 120  # of a log, which has no width of its own

STYLES = {
    Verdict.consistent: "green",
    Verdict.differs: "red",
    Verdict.other_settings: "yellow",
    Verdict.not_stated: "yellow",
    Verdict.not_run: "dim",
}


def default_console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDTH)


def print_sheets(sheets: list[Sheet], console: Console | None = None) -> None:
    console = console or default_console()
    for sheet in sheets:
        header, rows = rows_as_text(sheet)
        remarked = any(cell.remarks for cell in sheet.cells)  # the column costs too much width to stand empty
        columns = header if remarked else header[:-1]
        table = Table(title=f"{sheet.title} - {sheet.model}", title_justify="left", box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
        for name in columns:
            wide = name in {"Verdict", "Remarks"}  # these may wrap in a narrow terminal; numbers may not
            justify: Literal["left", "right"] = "left" if wide or name == "Benchmark" else "right"
            table.add_column(name, justify=justify, no_wrap=not wide, min_width=None if wide else len(name))
        for cell, row in zip(sheet.cells, rows, strict=True):
            table.add_row(*row[: len(columns)], style=STYLES.get(cell.verdict, ""))
        console.print(table)


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
