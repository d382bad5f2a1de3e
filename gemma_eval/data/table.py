"""`Table`: the rows of one split, with their ids, configurations and hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gemma_eval.data.rows import ExpandedRows, Row, RowError, Rows
from gemma_eval.errors import DataError
from gemma_eval.runtime import paths
from gemma_eval.runtime.files import replace_text

HASH_VERSION = 1  # counts up when rows are read or hashed in another way


@dataclass(frozen=True)
class Table:
    """The rows of one split. `rows[i]` has the columns of the dataset; `ids[i]` is its stable name, `configs[i]` its configuration.

    `revision`: where the rows come from, for people. `commits`: by repository, the commit on the Hub that they are of. If a page
    generates its items, `rows` are recipes, and `make_row` makes a whole row from one. `missing` gives, for each subset or group that
    cannot be had, the reason. `identity` names what the rows are for good, such as files at commits; "" if they may change.
    """

    repo: str
    split: str
    rows: Rows
    ids: Sequence[str]
    configs: Sequence[str]
    revision: str
    make_row: Callable[[Row], Row] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    commits: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""

    def full_row(self, row: Row) -> Row:
        """A row as the page's methods read it: one of `rows`, or what its recipe makes."""
        return self.make_row(row) if self.make_row else row

    def where(self, index: int) -> str:
        """Repository, configuration, split and id of a row, for error messages."""
        return f"{self.repo} config={self.configs[index] or 'default'} split={self.split} row={self.ids[index]}"

    def sha256(self) -> str:
        """Hash of all rows in order, as canonical JSON. Bytes enter by their own hash; images do not, since request keys hold theirs.

        It is computed once for rows that cannot change, and kept.
        """
        if not self.identity:
            return _sha256(self.rows)
        file = paths.cache_folder() / "rows" / hashlib.sha256(f"{HASH_VERSION}\n{self.identity}".encode()).hexdigest()
        if not file.is_file():
            replace_text(file, _sha256(self.rows))
        return file.read_text(encoding="utf-8")


def _sha256(rows: Rows) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(_json(row))
        digest.update(b"\n")
    return digest.hexdigest()


def row_sha256(row: Row) -> str:
    """Hash of one row, as it enters that of its table."""
    return hashlib.sha256(_json(row)).hexdigest()


def _json(row: Row) -> bytes:
    return json.dumps(row, sort_keys=True, ensure_ascii=False, default=_canonical).encode(errors="surrogatepass")


def _canonical(value: Any) -> str:
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else repr(value)


def expanded(table: Table, column: str | None) -> Table:
    """The table with one row for each entry of a list column; the same table without a column.

    Raises `DataError` if there is no such column, or if a row has no list of mappings in it.
    """
    if column is None:
        return table
    try:
        rows = ExpandedRows(table.rows, column)
    except RowError as error:
        raise DataError(f"{table.where(error.index)}: bad row: {error}. Mend or remove the row") from error
    except KeyError as error:
        raise DataError(
            f"{table.repo} split={table.split}: no column {error}, whose entries are the items: set dataset.each to another column"
        ) from error
    ids = [f"{table.ids[index]}-{position}" for index, position in rows.origins]
    return replace(table, rows=rows, ids=ids, configs=[table.configs[index] for index, _ in rows.origins])
