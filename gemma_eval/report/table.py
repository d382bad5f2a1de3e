"""Tables of text, the same for every form: the terminal, Markdown and HTML."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

NO_BREAK = "\u00a0"


class Kind(Enum):
    """What a column holds. No form ever breaks or shortens a name or a number."""

    name = "name"  # flush left
    number = "number"  # flush right
    words = "words"  # flush left; may be wrapped between words, but not at a no-break space


@dataclass(frozen=True)
class TextColumn:
    """A column of a table. `group` is the heading above it, if any.

    `rank` says what a terminal leaves out if the table is too wide: first the columns of the highest rank, then those of the next one.
    Columns of rank 0 are always shown. Columns of the same rank go together.
    """

    name: str
    kind: Kind = Kind.number
    rank: int = 0
    group: str = ""

    @property
    def is_number(self) -> bool:
        """Whether the column is flush right."""
        return self.kind is Kind.number


@dataclass(frozen=True)
class TextTable:
    """A table of text: rows [rows][columns]. The first column names the row.

    `full` is the option or command that shows all columns, such as "--markdown -"; a terminal mentions it if it leaves out columns.
    """

    title: str
    columns: list[TextColumn]
    rows: list[list[str]]
    full: str = ""
