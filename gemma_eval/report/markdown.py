"""The card as Markdown, with a footnote for what Google does not disclose about a row; and any table as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from gemma_eval.card.rebuilt import Card
from gemma_eval.report.grid import EXPLAINED, LEGEND, Grid, GridCell, grid, legend
from gemma_eval.report.notes import run_notes
from gemma_eval.report.table import NO_BREAK, TextColumn, TextTable

SPACES = str.maketrans(dict.fromkeys(f"\r\n{NO_BREAK}", " "))


def to_markdown(card: Card) -> str:
    """The whole card: which runs it shows, its tables with their footnotes, and how to read them."""
    one = len(card.runs) == 1
    about = (
        f"{escape(card.runs[0].title)}; run `{escape(card.runs[0].name).replace('`', '')}`"
        if one
        else "\n".join(f"- {escape(line)}" for line in legend(card.runs))
    )
    parts = [part for sheet in card.sheets for part in _table(grid(sheet, card.runs), about if one else "")]
    notes = "  \n".join(map(escape, run_notes(card.runs)))
    explained = EXPLAINED if one else f"{EXPLAINED} {LEGEND}."
    return "\n\n".join(part for part in ("" if one else about, *parts, notes, explained) if part) + "\n"


def _table(shown: Grid, about: str) -> list[str]:
    notes = "\n".join(f"[{number}] {escape(note)}  " for number, note in enumerate(shown.notes, 1))
    lines = _lines(shown.columns, [[_marked(cell) for cell in row] for row in shown.rows])
    return [part for part in (f"## {shown.title}", about, lines, notes.rstrip()) if part]


def _marked(cell: GridCell) -> str:
    return f"{escape(cell.text)} [{cell.note}]" if cell.note else escape(cell.text)


def table(shown: TextTable) -> str:
    """Any table, with all of its columns."""
    return _lines(shown.columns, [[escape(cell) for cell in row] for row in shown.rows])


def _lines(columns: Sequence[TextColumn], rows: Sequence[Sequence[str]]) -> str:
    """The lines of a table whose cells are Markdown already."""
    header = [f"{column.group} {column.name}" if column.group == "Card" else column.name for column in columns]
    rule = ["---:" if column.is_number else "---" for column in columns]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def escape(text: str) -> str:
    """The text for a cell or a line: without table borders, line breaks and HTML."""
    return text.translate(SPACES).replace("|", "\\|").replace("<", "&lt;")
