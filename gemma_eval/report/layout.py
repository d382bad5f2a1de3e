"""How a table fits a terminal: which columns are shown, how wide they are, and where words wrap. Widths are terminal cells.

Nothing of a name or a number is ever cut. A table that is too wide loses whole columns, by rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from gemma_eval.report.table import NO_BREAK, Kind, TextColumn

GAPS = (2, 1)  # between columns: the first one that fits

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Layout:
    """The indices of the columns that are shown, how wide each of them is, and the gap between them."""

    shown: list[int]
    widths: list[int]
    gap: int

    @property
    def width(self) -> int:
        """Width of the whole table."""
        return sum(self.widths) + self.gap * (len(self.widths) - 1)


def lay_out(columns: Sequence[TextColumn], rows: Rows, width: int) -> Layout | None:
    """The layout that shows the most columns in `width`. Columns without any text are not shown.

    None if not even the columns of rank 0 fit.
    """
    filled = [index for index in range(len(columns)) if index == 0 or any(row[index] for row in rows)]
    spans = {index: _Span.of(columns[index], [row[index] for row in rows]) for index in filled}
    for rank in sorted({columns[index].rank for index in filled} | {0}, reverse=True):
        shown = [index for index in filled if columns[index].rank <= rank]
        for gap in GAPS:
            room = width - gap * (len(shown) - 1)
            if sum(spans[index].least for index in shown) <= room:
                return Layout(shown, _widths([spans[index] for index in shown], room), gap)
    return None


@dataclass(frozen=True)
class _Span:
    """The width of a column with every possible line break, and without any."""

    least: int
    most: int

    @classmethod
    def of(cls, column: TextColumn, cells: Sequence[str]) -> _Span:
        """Headings may wrap in every column, cells in columns of words alone."""
        unbroken = [word for cell in cells for word in cell.split(" ")] if column.kind is Kind.words else cells
        least = max(map(cell_len, [*column.name.split(" "), *unbroken]))
        return cls(least, max(map(cell_len, [column.name, *cells])))


def _widths(spans: Sequence[_Span], room: int) -> list[int]:
    """The least widths, and what room is left in equal shares to those columns that can use it."""
    widths = [span.least for span in spans]
    while True:
        wider = [min(width + 1, span.most) for width, span in zip(widths, spans, strict=True)]
        if wider == widths or sum(wider) > room:
            return widths
        widths = wider


def wrap(text: str, width: int) -> list[str]:
    """The lines of a text, broken at spaces alone. A word that is wider than `width` has a line of its own."""
    lines = [""]
    for word in text.split(" "):
        if not lines[-1]:
            lines[-1] = word
        elif cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [line.replace(NO_BREAK, " ") for line in lines]


def on_one_line(text: str) -> str:
    """The text without line breaks, and with "?" for characters that a terminal would not print, or obey."""
    return "".join(sign if sign.isprintable() or sign == NO_BREAK else " " if sign.isspace() else "?" for sign in text)
