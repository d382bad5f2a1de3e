"""A table of the card as columns and cells of text, the same for every form that people read.

A single run has columns for shots, items, measured value, interval, difference, verdict and remarks. Several runs have one column each,
such as "79.0 -0.6 ✓ (77.0-81.0)", or one for each of the numbers if there is room (`wide`). Their remarks are footnotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gemma_eval.card.rebuilt import Card, CardRun, Cell, Sheet, SheetRow, Verdict
from gemma_eval.report.table import NO_BREAK, Kind, TextColumn

READ = TextColumn("Read", rank=5)
READ_EXPLAINED = "Read: generated answers read by the primary extractor + by a diagnostic alone + by none."

EXPLAINED = (
    "Measured and published values are in the card's unit. A row is consistent if the published value, as rounded, lies in the 95 % "
    "interval. The interval is of sampling error alone: Google does not publish its exemplars, prompt wording and evaluation precision. "
    "A row is sample only if the run asked the bundled items, not the benchmark. Published scores are of bf16 weights. " + READ_EXPLAINED
)

MARKS = {
    Verdict.consistent: "✓",
    Verdict.differs: "✗",
    Verdict.other_settings: "~",
    Verdict.not_stated: "?",
    Verdict.sample_only: "s",
    Verdict.not_published: "",  # there is no difference to judge
    Verdict.not_run: "",
}
LEGEND = "; ".join(f"{mark} {verdict.value}" for verdict, mark in MARKS.items() if mark)

REMARKS = "Remarks"
SEVERAL = [
    TextColumn("Items", rank=3),
    READ,
    TextColumn("Measured"),
    TextColumn("95 % interval", rank=1),
    TextColumn("Diff.", rank=2),
    TextColumn("Verdict", Kind.words),
]  # of each run, where there are several
ONE = [TextColumn("Shots", rank=4), *SEVERAL, TextColumn(REMARKS, Kind.words, rank=5)]
OTHER_SIZES = 6  # rank of published numbers of sizes that no run has


@dataclass(frozen=True)
class GridCell:
    """A cell of text. `sort`: what to sort by instead of the text. `note`: a footnote's number, 0 for none. `own`: published for the run's
    own size."""

    text: str
    sort: float | None = None
    verdict: Verdict | None = None
    note: int = 0
    own: bool = False


@dataclass(frozen=True)
class Grid:
    """A table of the card in text: cells [rows][columns], footnotes, and the names of each row's tasks."""

    title: str
    columns: list[TextColumn]
    rows: list[list[GridCell]]
    notes: list[str]
    tasks: list[tuple[str, ...]]


def grid(sheet: Sheet, runs: Sequence[CardRun], *, wide: bool = False, remarks_below: bool = False) -> Grid:
    """The sheet in text. `remarks_below`: remarks are footnotes, as they always are where there are several runs."""
    fields = (ONE[:-1] if remarks_below else ONE) if len(runs) == 1 else SEVERAL if wide else []
    own = {run.size for run in runs}
    columns = [TextColumn("Benchmark", Kind.name)]
    columns += [TextColumn(size.upper(), rank=0 if size in own else OTHER_SIZES, group="Card") for size in sheet.sizes]
    for run in runs:
        heading = f"{run.letter}: {run.size.upper()}" if len(runs) > 1 else ""
        columns += [TextColumn(one.name, one.kind, one.rank, heading) for one in fields] or [TextColumn(heading, Kind.words)]
    notes = _notes(sheet, runs, remarks=ONE[-1] not in fields, read=READ not in fields)
    numbers = {index: number for number, index in enumerate(notes, 1)}
    rows = [
        [
            GridCell(row.benchmark, note=numbers.get(index, 0)),
            *(_published(row, size, runs) for size in sheet.sizes),
            *(one for cell in row.cells for one in (_full(cell, fields) if fields else [_compact(cell)])),
        ]
        for index, row in enumerate(sheet.rows)
    ]
    return Grid(sheet.title, columns, rows, list(notes.values()), [row.tasks for row in sheet.rows])


def split(card: Card, most: int) -> Iterator[Card]:
    """The card of at most `most` runs at a time, for forms of limited width."""
    for start in range(0, len(card.runs), most):
        part = slice(start, start + most)
        sheets = [
            Sheet(sheet.key, sheet.title, sheet.variant, sheet.sizes, [
                SheetRow(row.benchmark, row.tasks, row.published, row.cells[part]) for row in sheet.rows
            ])
            for sheet in card.sheets
        ]  # fmt: skip
        yield Card(card.runs[part], sheets)


def legend(runs: Sequence[CardRun]) -> list[str]:
    """A line for each run that says which it is: "A: run-name, Gemma 3 4B ..."."""
    return [f"{run.letter}: {run.name}, {run.title}" for run in runs]


def _published(row: SheetRow, size: str, runs: Sequence[CardRun]) -> GridCell:
    number = row.published.get(size)
    own = len(runs) == 1 and runs[0].size == size
    return GridCell(number.text, number.value, own=own) if number else GridCell("")


def _full(cell: Cell, fields: Sequence[TextColumn]) -> list[GridCell]:
    """A cell for each of the fields."""
    cells = {
        "Shots": GridCell("" if cell.shots is None else f"up to {cell.shots}" if cell.dropped else str(cell.shots)),
        "Items": GridCell("" if cell.value is None else (f"{cell.n}" if cell.n == cell.size else f"{cell.n}/{cell.size}"), cell.n),
        READ.name: GridCell(_read(cell), cell.readers.primary if cell.readers else None),
        "Measured": GridCell(_value(cell), cell.value),
        "95 % interval": GridCell(_interval(cell), cell.low),
        "Diff.": GridCell(_difference(cell), cell.difference),
        "Verdict": GridCell(cell.verdict.value, verdict=cell.verdict),
        REMARKS: GridCell(re.sub(r" (?=\d)", NO_BREAK, cell.remarks)),  # a number stays with its word
    }
    return [cells[field.name] for field in fields]


def _compact(cell: Cell) -> GridCell:
    """All of a run's numbers in one cell. Only the interval may have a line of its own."""
    if cell.value is None:
        return GridCell(cell.verdict.value, verdict=cell.verdict)
    value = NO_BREAK.join(filter(None, [_value(cell), _difference(cell), MARKS[cell.verdict]]))
    return GridCell(f"{value} ({_interval(cell)})" if _interval(cell) else value, cell.value, cell.verdict)


def _read(cell: Cell) -> str:
    """Answers read by the primary extractor, by a diagnostic alone, and by none: "88+5+7"."""
    found = cell.readers
    return f"{found.primary}+{found.diagnostic}+{found.none}" if found else ""


def _value(cell: Cell) -> str:
    return "" if cell.value is None else f"{cell.value:.1f}"


def _interval(cell: Cell) -> str:
    return "" if cell.low is None or cell.high is None else f"{cell.low:.1f}-{cell.high:.1f}"


def _difference(cell: Cell) -> str:
    return "" if cell.difference is None else f"{round(cell.difference, 1) + 0.0:+.1f}"  # never "-0.0"


def _notes(sheet: Sheet, runs: Sequence[CardRun], *, remarks: bool, read: bool) -> dict[int, str]:
    """Footnotes by index of the row: what Google does not disclose and, with `remarks`, what is to be said of each run's value.

    `read`: who read the answers is said too, where some were not parsed.
    """
    found = {}
    for index, row in enumerate(sheet.rows):
        parts = row.notes + (_remarks(row, runs, read) if remarks else [])
        if parts:
            found[index] = f"{row.benchmark}: {' '.join(parts)}"
    return found


def _remarks(row: SheetRow, runs: Sequence[CardRun], read: bool) -> list[str]:
    """The runs' remarks as sentences: one for all of them if they are the same."""
    said = {run.letter: _said(cell, read) for run, cell in zip(runs, row.cells, strict=True)}
    if len(set(said.values())) > 1:
        return [f"{letter}: {remark}." for letter, remark in said.items() if remark]
    who = "Not run" if all(cell.verdict is Verdict.not_run for cell in row.cells) else "This run" if len(runs) == 1 else "All runs"
    return [f"{who}: {remark}." for remark in set(said.values()) if remark]


def _said(cell: Cell, read: bool) -> str:
    unread = read and cell.readers and cell.readers.diagnostic + cell.readers.none
    return ", ".join(filter(None, [cell.remarks, f"read {_read(cell)}" if unread else ""]))
