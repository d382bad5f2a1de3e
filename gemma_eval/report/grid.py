"""A table of the card as columns and entries of text, the same for every form that is read by people.

A single run has columns for shots, items, measured value, interval, difference, verdict and remarks. Several runs have one column each:
"79.0 -0.6 ✓ (77.0-81.0)", or where there is room (`wide`) one for each of the numbers; their remarks stand below the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gemma_eval.card.rebuilt import Card, CardRun, Cell, Sheet, SheetRow, Verdict

EXPLAINED = (
    "Measured and published values are in the card's unit. *consistent*: the published value, as rounded, lies in the 95 % interval "
    "(sampling error only: exemplars, prompt wording and evaluation precision are not published). *sample only*: the bundled items, "
    "not the benchmark. Published scores are of bf16 weights."
)

MARKS = {
    Verdict.consistent: "✓",
    Verdict.differs: "✗",
    Verdict.other_settings: "~",
    Verdict.not_stated: "?",
    Verdict.sample_only: "s",
    Verdict.not_published: "",  # there is no difference to judge either
    Verdict.not_run: "",
}
LEGEND = "; ".join(f"{mark} {verdict.value}" for verdict, mark in MARKS.items() if mark)


@dataclass(frozen=True)
class Column:
    """`group`: the heading over it. A column of words may wrap; one of numbers may not."""

    name: str
    group: str = ""
    words: bool = False


@dataclass(frozen=True)
class GridCell:
    """`sort`: what to sort by instead of the text. `note`: a footnote's number, 0 for none. `own`: published for the run's own size."""

    text: str
    sort: float | None = None
    verdict: Verdict | None = None
    note: int = 0
    own: bool = False


@dataclass(frozen=True)
class Grid:
    title: str
    columns: list[Column]
    rows: list[list[GridCell]]
    notes: list[str]
    tasks: list[tuple[str, ...]]  # of each row


def grid(sheet: Sheet, runs: Sequence[CardRun], *, wide: bool = False, sizes: Sequence[str] | None = None) -> Grid:
    """`sizes`: of the published columns; all by default."""
    fields = ONE if len(runs) == 1 else SEVERAL if wide else []
    shown = sheet.sizes if sizes is None else [size for size in sheet.sizes if size in sizes]
    notes = _notes(sheet, runs, remarks="Remarks" not in fields)
    columns = [Column("Benchmark", words=True), *(Column(size.upper(), "Card") for size in shown)]
    for run in runs:
        heading = _heading(run, runs)
        columns += [Column(name, heading, name in WORDS) for name in fields] or [Column(heading, words=True)]
    numbers = {index: number for number, index in enumerate(notes, 1)}
    rows = [
        [
            GridCell(row.benchmark, note=numbers.get(index, 0)),
            *(_published(row, size, runs) for size in shown),
            *(entry for cell in row.cells for entry in (_full(cell, fields) if fields else [_compact(cell)])),
        ]
        for index, row in enumerate(sheet.rows)
    ]
    return Grid(sheet.title, columns, rows, list(notes.values()), [row.tasks for row in sheet.rows])


def split(card: Card, most: int) -> Iterator[Card]:
    """The card of at most so many runs at a time, for forms of limited width."""
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
    """Which run is which: "A: run-name, Gemma 3 4B ..."."""
    return [f"{run.letter}: {run.name}, {run.title}" for run in runs]


SEVERAL = ["Items", "Measured", "95 % interval", "Diff.", "Verdict"]  # columns of each run
ONE = ["Shots", *SEVERAL, "Remarks"]
WORDS = {"Verdict", "Remarks"}


def _heading(run: CardRun, runs: Sequence[CardRun]) -> str:
    return f"{run.letter}: {run.size.upper()}" if len(runs) > 1 else ""


def _published(row: SheetRow, size: str, runs: Sequence[CardRun]) -> GridCell:
    number = row.published.get(size)
    own = len(runs) == 1 and runs[0].size == size
    return GridCell(number.text, number.value, own=own) if number else GridCell("")


def _full(cell: Cell, fields: Sequence[str]) -> list[GridCell]:
    entries = {
        "Shots": GridCell("" if cell.shots is None else str(cell.shots)),
        "Items": GridCell("" if cell.value is None else (f"{cell.n}" if cell.n == cell.size else f"{cell.n}/{cell.size}"), cell.n),
        "Measured": GridCell(_value(cell), cell.value),
        "95 % interval": GridCell(_interval(cell), cell.low),
        "Diff.": GridCell(_difference(cell), cell.difference),
        "Verdict": GridCell(cell.verdict.value, verdict=cell.verdict),
        "Remarks": GridCell(cell.remarks),
    }
    return [entries[name] for name in fields]


def _compact(cell: Cell) -> GridCell:
    if cell.value is None:
        return GridCell(cell.verdict.value, verdict=cell.verdict)
    parts = [_value(cell), _difference(cell), MARKS[cell.verdict], f"({_interval(cell)})" if _interval(cell) else ""]
    return GridCell(" ".join(filter(None, parts)), cell.value, cell.verdict)


def _value(cell: Cell) -> str:
    return "" if cell.value is None else f"{cell.value:.1f}"


def _interval(cell: Cell) -> str:
    return "" if cell.low is None or cell.high is None else f"{cell.low:.1f}-{cell.high:.1f}"


def _difference(cell: Cell) -> str:
    return "" if cell.difference is None else f"{round(cell.difference, 1) + 0.0:+.1f}"  # never "-0.0"


def _notes(sheet: Sheet, runs: Sequence[CardRun], *, remarks: bool) -> dict[int, str]:
    """Footnotes by index of the row: what the report leaves open, and with `remarks` what is to be said of each run's value."""
    found = {}
    for index, row in enumerate(sheet.rows):
        parts = row.notes + (_remarks(row, runs) if remarks else [])
        if parts:
            found[index] = f"{row.benchmark}: {' '.join(parts)}"
    return found


def _remarks(row: SheetRow, runs: Sequence[CardRun]) -> list[str]:
    said = {run.letter: cell.remarks for run, cell in zip(runs, row.cells, strict=True)}
    if len(set(said.values())) == 1:
        return [remark for remark in set(said.values()) if remark]
    return [f"{letter}: {remark}." for letter, remark in said.items() if remark]
