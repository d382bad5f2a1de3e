"""The card as Markdown, with a footnote for what the report leaves open in each row."""

from __future__ import annotations

from gemma_eval.report.card import Cell, Sheet, rows_as_text

LEFT = {"Benchmark", "Verdict", "Remarks"}

EXPLAINED = (
    "Measured and published values are in the card's unit. *consistent*: the published value, as rounded, lies in the 95 % interval "
    "(sampling error only: exemplars, prompt wording and evaluation precision are not published). *sample only*: the bundled items, "
    "not the benchmark. Published scores are of bf16 weights."
)


def to_markdown(sheets: list[Sheet]) -> str:
    parts = []
    for sheet in sheets:
        parts.append(f"## {sheet.title}\n\n{sheet.model}; run `{sheet.run}`\n\n{_table(sheet)}\n\n{_footnotes(sheet.cells)}")
    return "\n".join(part.rstrip() + "\n" for part in parts) + f"\n{EXPLAINED}\n"


def _table(sheet: Sheet) -> str:
    header, rows = rows_as_text(sheet)
    notes = iter(range(1, len(rows) + 1))
    marked = [[f"{row[0]} [{next(notes)}]" if cell.note else row[0], *row[1:]] for cell, row in zip(sheet.cells, rows, strict=True)]
    rule = ["---" if name in LEFT else "---:" for name in header]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *marked))


def _footnotes(cells: list[Cell]) -> str:
    noted = [cell for cell in cells if cell.note]
    return "\n".join(f"[{number}] {cell.benchmark}: {cell.note}  " for number, cell in enumerate(noted, 1))
