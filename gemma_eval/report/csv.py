"""The card as CSV: a line for every number, published or measured, at full precision."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from gemma_eval.card.rebuilt import Card, Sheet, SheetRow

COLUMNS = [
    "table", "variant", "benchmark", "label", "kind", "size", "run", "model", "value", "low", "high", "n", "items", "shots",
    "read_by_primary", "read_by_diagnostic_alone", "read_by_none", "published", "difference", "verdict", "remarks", "note",
]  # fmt: skip


def to_csv(card: Card) -> str:
    """For every row of the card, a line of kind "published" for each size, and one of kind "measured" for each run."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for sheet in card.sheets:
        for row in sheet.rows:
            writer.writerows(_lines(card, sheet, row))
    return stream.getvalue()


def _lines(card: Card, sheet: Sheet, row: SheetRow) -> Iterator[dict[str, Any]]:
    shared = {"table": sheet.key, "variant": sheet.variant, "benchmark": row.benchmark, "label": row.label}
    for size, number in row.published.items():
        yield shared | {"kind": "published", "size": size, "value": number.text}
    for run, cell in zip(card.runs, row.cells, strict=True):
        yield shared | {
            "kind": "measured",
            "size": run.size,
            "run": run.name,
            "model": run.title,
            "value": cell.value,
            "low": cell.low,
            "high": cell.high,
            "n": cell.n,
            "items": cell.size,
            "shots": cell.shots,
            "read_by_primary": cell.readers.primary if cell.readers else None,
            "read_by_diagnostic_alone": cell.readers.diagnostic if cell.readers else None,
            "read_by_none": cell.readers.none if cell.readers else None,
            "published": cell.published.text if cell.published else None,
            "difference": cell.difference,
            "verdict": cell.verdict.value,
            "remarks": cell.remarks,
            "note": cell.note,
        }
