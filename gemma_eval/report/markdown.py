"""The card as Markdown, with a footnote for what the report leaves open in each row."""

from __future__ import annotations

from collections.abc import Sequence

from gemma_eval.card.rebuilt import Card
from gemma_eval.report.grid import EXPLAINED, LEGEND, Column, Grid, GridCell, grid, legend

LINES = str.maketrans("\r\n", "  ")


def to_markdown(card: Card) -> str:
    one = len(card.runs) == 1
    about = (
        f"{escape(card.runs[0].title)}; run `{escape(card.runs[0].name).replace('`', '')}`"
        if one
        else "\n".join(f"- {escape(line)}" for line in legend(card.runs))
    )
    parts = [part for sheet in card.sheets for part in _table(grid(sheet, card.runs), about if one else "")]
    return "\n\n".join([*([] if one else [about]), *parts, EXPLAINED if one else f"{EXPLAINED} {LEGEND}."]) + "\n"


def _table(shown: Grid, about: str) -> list[str]:
    rows = [[_marked(entry) for entry in row] for row in shown.rows]
    right = [not column.words for column in shown.columns]
    notes = "\n".join(f"[{number}] {escape(note)}  " for number, note in enumerate(shown.notes, 1))
    lines = table([_name(column) for column in shown.columns], rows, right)
    return [part for part in (f"## {shown.title}", about, lines, notes.rstrip()) if part]


def _name(column: Column) -> str:
    return f"{column.group} {column.name}" if column.group == "Card" else column.name


def _marked(entry: GridCell) -> str:
    return f"{escape(entry.text)} [{entry.note}]" if entry.note else escape(entry.text)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """A table of cells that are Markdown already; `right`: which columns are flush right."""
    rule = ["---:" if number else "---" for number in right]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def escape(text: str) -> str:
    """Plain text for a cell or a line: no table border, no line break, no HTML."""
    return text.translate(LINES).replace("|", "\\|").replace("<", "&lt;")
