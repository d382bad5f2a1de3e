"""What changed between two states of a dataset: rows added, removed and changed, by their hashes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gemma_eval.data.table import Table, row_sha256


@dataclass(frozen=True)
class Changes:
    """Numbers of rows. A row counts as changed if the row at its place is neither old nor new elsewhere."""

    added: int
    removed: int
    changed: int

    def __str__(self) -> str:
        counts = [(self.added, "added"), (self.removed, "removed"), (self.changed, "changed")]
        return ", ".join(f"{count:,} row{'s' if count > 1 else ''} {what}" for count, what in counts if count) or "the same rows"


def changes(old: Table, new: Table) -> Changes:
    """Compare two tables of one split. All their rows are read."""
    before = dict(zip(old.ids, map(row_sha256, old.rows), strict=True))
    after = dict(zip(new.ids, map(row_sha256, new.rows), strict=True))
    gone = Counter(before.values()) - Counter(after.values())
    come = Counter(after.values()) - Counter(before.values())
    changed = sum(1 for name, found in after.items() if name in before and before[name] != found and gone[before[name]] and come[found])
    return Changes(come.total() - changed, gone.total() - changed, changed)
