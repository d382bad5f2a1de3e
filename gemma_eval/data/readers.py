"""Readers of files that hold rows: parquet in place, JSON into memory, and every other format through `datasets`."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from gemma_eval.data.columnar import ArrowStore, ColumnarRows
from gemma_eval.data.files import Files
from gemma_eval.data.json_rows import parse_rows
from gemma_eval.data.layout import format_of
from gemma_eval.data.parquet import ParquetStore, mend
from gemma_eval.data.rows import ListedRows, Rows
from gemma_eval.errors import DataError, one_line
from gemma_eval.runtime.files import is_lfs_pointer

WORKERS = 8  # parquet files at once
OPEN: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


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
    if formats == {"json"} and not any(name.endswith(".zst") for name in names):
        return _json_rows([row for name in names for row in read_json(files, name)], files)
    return _through_datasets(str(formats.pop()), [whole_file(files, name) for name in names], names, parameters or {}, files)


def _parquet(files: Files, name: str) -> ParquetStore:
    return ParquetStore(name, partial(whole_file, files, name), files.part(name), lasting=files.lasting)


def whole_file(files: Files, name: str) -> Path:
    """Where a file is on this machine. Raises `DataError` if it is empty, or a pointer of Git LFS."""
    path = files.whole(name)
    try:
        empty, pointer = not path.stat().st_size, is_lfs_pointer(path)
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror}): {mend(path, files.lasting)}") from error
    if empty:
        raise DataError(f"{name}: an empty file: {mend(path, files.lasting)}")
    if pointer:
        raise DataError(f"{name}: a pointer of Git LFS instead of the file (git lfs pull fetches it): {mend(path, files.lasting)}")
    return path


def read_json(files: Files, name: str) -> list[dict[str, Any]]:
    """The rows of a JSON file, which may be compressed. Raises `DataError`, naming file, line and cause."""
    path = whole_file(files, name)
    try:
        with OPEN.get(path.suffix, open)(path, "rb") as stream:
            return parse_rows(stream.read())
    except (ValueError, OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{name}: not readable as JSON ({error}): {mend(path, files.lasting)}") from error


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
        raise DataError(f"{', '.join(names)}: cannot be read as {builder} ({one_line(cause)}): {mend(paths[0], files.lasting)}") from error
    return ColumnarRows([ArrowStore(_combined(loaded))], files.folder)


def _combined(dataset: Any) -> Any:
    """The Arrow table of a dataset."""
    return dataset.data.table
