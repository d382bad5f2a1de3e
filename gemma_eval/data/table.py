"""One split: rows, ids, configurations, hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gemma_eval.data.rows import EachOf, Row, Rows
from gemma_eval.errors import DataError


@dataclass(frozen=True)
class Table:
    """The rows of one split. `rows[i]` has the dataset's own columns; `configs[i]` names its configuration; `ids[i]` is stable.

    Where items are generated, `rows` are recipes, and `make` follows one. `missing` says which subsets (or groups) cannot be had, and why.
    """

    repo: str
    split: str
    rows: Rows
    ids: Sequence[str]
    configs: Sequence[str]
    revision: str
    make: Callable[[Row], Row] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def made(self, row: Row) -> Row:
        """A whole row from one of `rows`."""
        return self.make(row) if self.make else row

    def where(self, index: int) -> str:
        return f"{self.repo} config={self.configs[index] or 'default'} split={self.split} row={self.ids[index]}"

    def sha256(self) -> str:
        """Hash of all rows, in order, as canonical JSON (bytes by their own hash). Pictures are left out: request keys hash theirs."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False, default=_canonical).encode())
            digest.update(b"\n")
        return digest.hexdigest()


def _canonical(value: Any) -> str:
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else repr(value)


def each_of(table: Table, column: str | None) -> Table:
    """The table with a row for each entry of a list column."""
    if column is None:
        return table
    try:
        rows = EachOf(table.rows, column)
    except KeyError as error:
        raise DataError(f"{table.repo} split={table.split}: no column {error}, whose entries are to be the items (dataset.each)") from error
    ids = [f"{table.ids[index]}-{place}" for index, place in rows.owners]
    return replace(table, rows=rows, ids=ids, configs=[table.configs[index] for index, _ in rows.owners])
