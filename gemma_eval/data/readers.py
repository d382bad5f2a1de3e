"""Readers of files that hold rows: parquet in place, JSON into memory, and every other format through `datasets`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from gemma_eval.data.columnar import ArrowStore, ColumnarRows
from gemma_eval.data.files import Files
from gemma_eval.data.layout import format_of, is_compressed
from gemma_eval.data.parquet import ParquetStore
from gemma_eval.data.rows import ListedRows, Rows
from gemma_eval.errors import DataError

WORKERS = 8  # parquet files at once
ROWS_UNDER = "examples"  # the key of the rows in a JSON document that holds more than them


def read_files(files: Files, names: Sequence[str], parameters: Mapping[str, Any] | None = None) -> Rows:
    """The rows of files of one format, one file after the other. `parameters`: how `datasets` is told to read them.

    Raises `DataError`, naming the file, if one cannot be read.
    """
    formats = {format_of(name) for name in names}
    if len(formats) > 1:
        raise DataError(f"files of several formats hold one split: {', '.join(names)}")
    if formats == {"parquet"}:
        with ThreadPoolExecutor(WORKERS, "open") as pool:
            return ColumnarRows(list(pool.map(partial(_parquet, files), names)), files.folder)
    if formats == {"json"} and not any(is_compressed(name) for name in names):
        return _json_rows([row for name in names for row in read_json(files.whole(name), name)], files)
    return _through_datasets(str(formats.pop()), [files.whole(name) for name in names], names, parameters or {}, files)


def _parquet(files: Files, name: str) -> ParquetStore:
    return ParquetStore(name, partial(files.whole, name), files.part(name))


def read_json(path: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a JSON file: an object a line, a list of objects, or a document with such a list under "examples"."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = _document(text)
        if isinstance(document, dict) and isinstance(document.get(ROWS_UNDER), list):
            document = document[ROWS_UNDER]
        elif not isinstance(document, list):
            document = [json.loads(line) for line in text.split("\n") if line.strip()]  # a text may hold other ends of lines
    except (ValueError, OSError) as error:
        raise DataError(f"{name}: not readable as JSON ({error}): delete {path.resolve()} and run the same command again") from error
    for number, row in enumerate(document):
        if not isinstance(row, dict):
            raise DataError(f"{name}: row {number} is no object but {type(row).__name__}")
    rows: list[dict[str, Any]] = document
    return rows


def _document(text: str) -> Any:
    """The whole text as one JSON document; None if it is JSON lines."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _json_rows(rows: list[dict[str, Any]], files: Files) -> Rows:
    """Rows that all have the columns of any."""
    columns = dict.fromkeys((name for row in rows for name in row), None)
    return ListedRows([columns | row for row in rows], files.folder)


def _through_datasets(builder: str, paths: list[Path], names: Sequence[str], parameters: Mapping[str, Any], files: Files) -> Rows:
    """Rows that `datasets` reads and keeps in its cache, in a folder for this state of the files: it does not notice when they change."""
    import datasets

    datasets.disable_progress_bars()
    state = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    digest = hashlib.sha256(json.dumps([state, dict(parameters)], default=str).encode()).hexdigest()[:16]
    if ".tsv" in Path(names[0]).suffixes:
        parameters = {"sep": "\t", **parameters}
    try:
        loaded = datasets.load_dataset(
            builder,
            data_files={"rows": [str(path) for path in paths]},
            split="rows",
            cache_dir=str(Path(datasets.config.HF_DATASETS_CACHE) / f"files-{digest}"),
            **parameters,
        )
    except Exception as error:  # `datasets` raises errors of many libraries
        cause = error.__cause__ or error
        raise DataError(f"{', '.join(names)}: cannot be read as {builder} ({' '.join(str(cause).split())[:200]})") from error
    return ColumnarRows([ArrowStore(_combined(loaded))], files.folder)


def _combined(dataset: Any) -> Any:
    """The Arrow table of a dataset."""
    return dataset.data.table
