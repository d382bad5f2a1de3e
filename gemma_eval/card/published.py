"""The published scores, from the Gemma 3 technical report (arXiv 2503.19786) and the model cards."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Published:
    """One published number in the card's own unit: percent, chrF (0 to 100) or CIDEr times 100. `text` is the number as printed."""

    table: str
    benchmark: str
    label: str
    variant: str
    size: str
    text: str

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text)

    @property
    def half_unit(self) -> float:
        """Half a unit of the last digit: the most that rounding can have changed."""
        exponent = Decimal(self.text).as_tuple().exponent
        assert isinstance(exponent, int)
        return 0.5 * 10.0**exponent


@cache
def published(variant: str) -> dict[tuple[str, str, str], Published]:
    """The published numbers of a variant, "pt" or "it", by (table, benchmark, size)."""
    found: dict[tuple[str, str, str], Published] = {}
    with (Path(__file__).parent / f"published_{variant}.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            number = Published(row["table"], row["benchmark"], row["metric_label"], row["variant"], row["size"], row["score"])
            found[number.table, number.benchmark, number.size] = number
    return found
