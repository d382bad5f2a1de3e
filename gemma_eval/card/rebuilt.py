"""The card rebuilt: measured beside published scores, with a verdict for each row. Rows that were not run say so.

This is the one model of the card. Each form (terminal, Markdown, LaTeX, CSV, HTML, figures) only draws it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gemma_eval.card import CARD_TABLES, SIZES, CardRow, CardTable, Published, published
from gemma_eval.card.verdict import Cell, Verdict, measured_cell
from gemma_eval.store.scores import Scores, TaskScores
from gemma_eval.types import ModelLabel

__all__ = ["Card", "CardRun", "Cell", "Sheet", "SheetRow", "Verdict", "card", "sheets"]

OWN = "270m"  # the size whose card has a table of its own


@dataclass(frozen=True)
class CardRun:
    """A run that the card shows. Where there are several, each is called by a letter."""

    letter: str
    scores: Scores

    @property
    def name(self) -> str:
        """The run directory's name."""
        return self.scores.run

    @property
    def model(self) -> ModelLabel:
        """The model that was measured."""
        return self.scores.model

    @property
    def size(self) -> str:
        """The model's size, such as 270m or 4b."""
        return self.scores.model.size

    @property
    def tasks(self) -> Mapping[str, TaskScores]:
        """The scores by task."""
        return self.scores.tasks

    @property
    def title(self) -> str:
        """The model in words."""
        return str(self.scores.model)


@dataclass(frozen=True)
class SheetRow:
    """A row of the card: the published numbers by size, and a cell for each run. `tasks` are the names of the tasks that measure it."""

    benchmark: str
    tasks: tuple[str, ...]
    published: Mapping[str, Published]
    cells: list[Cell]

    @property
    def label(self) -> str:
        """The card's words for metric and shots; empty if no number was published."""
        return next((number.label for number in self.published.values()), "")

    @property
    def notes(self) -> list[str]:
        """What Google does not say about the benchmark's protocol, and what was chosen."""
        return list(dict.fromkeys(cell.note for cell in self.cells if cell.note))


@dataclass(frozen=True)
class Sheet:
    """A table of the card, filled in. `sizes` are those of the published numbers, smallest first."""

    key: str
    title: str
    variant: str
    sizes: list[str]
    rows: list[SheetRow]

    @property
    def cells(self) -> list[Cell]:
        """All cells, row by row."""
        return [cell for row in self.rows for cell in row.cells]

    @property
    def touched(self) -> bool:
        """Whether any run measured anything of it."""
        return any(cell.verdict is not Verdict.not_run for cell in self.cells)


@dataclass(frozen=True)
class Card:
    """The whole card: its tables, whose rows have a cell for each run, in the order of `runs`."""

    runs: list[CardRun]
    sheets: list[Sheet]

    def touched(self) -> Card:
        """The card without the tables of which nothing was run."""
        return replace(self, sheets=[sheet for sheet in self.sheets if sheet.touched])

    def counts(self) -> list[dict[Verdict, int]]:
        """For each run, how many rows have which verdict."""
        cells = [[row.cells[index] for sheet in self.sheets for row in sheet.rows] for index in range(len(self.runs))]
        return [{verdict: sum(cell.verdict is verdict for cell in column) for verdict in Verdict} for column in cells]


def card(runs: Sequence[Scores]) -> Card:
    """The card of these runs: every table of their variants, and of the other and the detailed tables those that the runs touch."""
    shown = [CardRun(_letter(index), scores) for index, scores in enumerate(runs)]
    touched = {table.key for run in shown for table in _touched(run)}
    wanted = [table for table in CARD_TABLES if table.key in touched or _always(table, shown)]
    small = all(run.size == OWN for run in shown)
    sheets = [_sheet(table, shown, small) for table in wanted if small or not _repeated(table, wanted)]
    return Card(shown, [sheet for sheet in sheets if sheet.rows])


def sheets(scores: Scores) -> list[Sheet]:
    """The tables that one run touches, with all their rows."""
    return card([scores]).touched().sheets


def _letter(index: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    before = _letter(index // 26 - 1) if index >= 26 else ""
    return before + chr(ord("A") + index % 26)


def _always(table: CardTable, runs: Sequence[CardRun]) -> bool:
    """Whether the table belongs to the card of a run's model. The 270M's own table belongs to the 270M's card alone."""
    models = {(run.model.variant, run.size) for run in runs}
    return not table.detail and any(table.variant == variant and (size == OWN or table.sizes != [OWN]) for variant, size in models)


def _touched(run: CardRun) -> list[CardTable]:
    """The tables of the run's variant that hold a task it ran, then those of the other variant for its tasks that have no row there."""
    fitting = [table for table in CARD_TABLES if run.size == OWN or table.sizes != [OWN]]
    own = [table for table in fitting if table.variant == run.model.variant]
    left = set(run.tasks) - {task for table in own for task in table.tasks}
    others = [table for table in fitting if table.variant != run.model.variant and table.tasks & left]
    return [table for table in own if table.tasks & set(run.tasks)] + others


def _repeated(table: CardTable, tables: Sequence[CardTable]) -> bool:
    """Whether this is the 270M's own table and all of its rows stand in the large models' tables, which have a 270M column."""
    others = {task for other in tables if other is not table and other.variant == table.variant for task in other.tasks}
    return table.sizes == [OWN] and table.tasks <= others


def _sheet(table: CardTable, runs: Sequence[CardRun], small: bool) -> Sheet:
    """The table filled in. If all runs are of the 270M (`small`), rows of its own table are not repeated in the large models' tables."""
    rows = [row for row in table.rows if not (small and table.sizes != [OWN] and _own_row(row, table.variant))]
    filled = [SheetRow(row.benchmark, row.tasks, _numbers(table, row), [_cell(table, row, run) for run in runs]) for row in rows]
    sizes = [size for size in SIZES if any(size in row.published for row in filled)]
    return Sheet(table.key, table.title, table.variant, sizes or table.sizes, filled)


def _own_row(row: CardRow, variant: str) -> tuple[CardTable, CardRow] | None:
    """Where the 270M's own table has this row."""
    tables = [table for table in CARD_TABLES if table.sizes == [OWN] and table.variant == variant]
    return next(((table, own) for table in tables for own in table.rows if row.task and own.task == row.task), None)


def _numbers(table: CardTable, row: CardRow) -> dict[str, Published]:
    """Published numbers of a row by size, smallest first."""
    known = published(table.variant)
    places = {size: (table.key, row.benchmark, size) for size in table.sizes}
    if own := _own_row(row, table.variant):
        places[OWN] = (own[0].key, own[1].benchmark, OWN)
    return {size: known[places[size]] for size in SIZES if size in places and places[size] in known}


def _cell(table: CardTable, row: CardRow, run: CardRun) -> Cell:
    number = _numbers(table, row).get(run.size) if run.model.variant == table.variant else None
    return measured_cell(row, number, run.tasks)
