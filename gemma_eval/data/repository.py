"""Reads the parts of a dataset: from each repository the files of one split, as one table."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial

from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.files import Files, named_file, names_of
from gemma_eval.data.layout import MissingSplitError
from gemma_eval.data.readers import read_files
from gemma_eval.data.rows import ChosenRows, JoinedRows, LabelledRows, Row, Rows, SideBySideRows, file_bytes
from gemma_eval.data.table import Table, expanded
from gemma_eval.errors import DataError, HubError
from gemma_eval.types import Image

LOCAL = "local folder"
MEND = "Check the config and split names, or point data.root at a local copy"


def load_table(ref: DatasetRef, split: str, repositories: Mapping[str, Files], no_repository: str = "") -> Table:
    """All parts of `ref` that can be read. Those that the repositories do not have are `missing`, with the reason.

    `repositories`: by name. `no_repository`: why one is not there. Raises `DataError` if a part cannot be read, or if all are missing.
    """
    found: list[tuple[str, Rows]] = []
    missing: dict[str, str] = {}
    read: dict[tuple[str, ...], Rows] = {}  # several parts may be views of the same files
    for name, repo, config in ref.parts():
        try:
            if repo not in repositories:
                raise MissingSplitError(no_repository)
            found.append((name, _part(ref, repositories[repo], config, split, read)))
        except MissingSplitError as error:
            missing[name] = str(error) if repo not in repositories else f"cannot be read: {error}. {MEND}"
        except (DataError, HubError) as error:
            raise DataError(f"{_where(repo, config, split)}: {str(error).removeprefix(f'{repo}: ')}") from error
    if not found:
        name, repo, config = ref.parts()[0]
        raise DataError(f"{_where(repo, config, split)}: {missing[name]}")
    parts = [LabelledRows(rows, {"config": name}) if ref.configs else rows for name, rows in found]
    table = Table(
        repo=ref.repo,
        split=split,
        rows=parts[0] if len(parts) == 1 else JoinedRows(parts),
        ids=[f"{name}/{i}" if ref.configs else str(i) for name, rows in found for i in range(len(rows))],
        configs=[name for name, rows in found for _ in range(len(rows))],
        revision=", ".join(dict.fromkeys(files.commit or LOCAL for files in repositories.values())),
        missing=missing,
        commits={repo: files.commit for repo, files in repositories.items() if files.commit},
        identity=_identity(ref, split, repositories, missing),
    )
    return expanded(table, ref.each)


def _identity(ref: DatasetRef, split: str, repositories: Mapping[str, Files], missing: Mapping[str, str]) -> str:
    """What determines the rows, if nothing else can change them; else ""."""
    if not all(files.lasting for files in repositories.values()):
        return ""
    commits = {repo: files.commit for repo, files in repositories.items()}
    return json.dumps([asdict(replace(ref, pinned="", revision=None)), split, commits, sorted(missing)], sort_keys=True)


def _where(repo: str, config: str | None, split: str) -> str:
    return f"{repo} config={config or 'default'} split={split}"


def _part(ref: DatasetRef, files: Files, config: str | None, split: str, read: dict[tuple[str, ...], Rows]) -> Rows:
    """The rows of one part, with the pivot's columns if there is a pivot. Raises `DataError`, or `MissingSplitError`."""
    rows = _rows(ref, files, config, split, read)
    if not ref.pivot:
        return rows
    pivot = _rows(ref, files, ref.pivot, split, read)
    if len(rows) != len(pivot) or any(row.get("id") != other.get("id") for row, other in zip(rows, pivot, strict=True)):
        raise MissingSplitError("its rows are not parallel to the pivot's")
    return SideBySideRows(rows, pivot, "pivot_")


def _rows(ref: DatasetRef, files: Files, config: str | None, split: str, read: dict[tuple[str, ...], Rows]) -> Rows:
    names = names_of(files, config, split, ref.files)
    key = (str(files.folder), *names)
    if key not in read:
        named = names == [named_file(files, config, split, ref.files)]
        rows = read_files(files, names, {} if named else files.layout.parameters(config))
        read[key] = _with_images(ref, files, _of_split(ref, rows, split)) if named else rows
    return read[key]


def _of_split(ref: DatasetRef, rows: Rows, split: str) -> Rows:
    """The rows of a split, from a file that holds all splits; all rows of any other file."""
    if ref.split_column is None:
        return rows
    chosen = [i for i, row in enumerate(rows) if row.get(ref.split_column) == split]
    if not chosen:
        there = sorted({str(row.get(ref.split_column)) for row in rows})
        raise MissingSplitError(f"no row whose {ref.split_column} is {split!r}; there are {', '.join(there)}")
    return ChosenRows(rows, chosen)


def _with_images(ref: DatasetRef, files: Files, rows: Rows) -> Rows:
    """The rows with the image files that they name, if `ref.images` says where those are."""
    if ref.images is None:
        return rows
    column = ref.images[ref.images.index("{") + 1 : ref.images.index("}")]
    pattern = re.compile(fnmatch.translate(ref.images.replace(f"{{{column}}}", "\0")).replace("\0", "(?P<name>[^/]+)"))
    found = {match["name"]: name for name in files.layout.names if (match := pattern.match(name))}

    def image(row: Row) -> Image:
        name = str(row.get(column)).rpartition("/")[2]
        return Image(partial(file_bytes, found.get(name, ref.images.replace(f"{{{column}}}", name)), files.folder))  # type: ignore[union-attr]

    return LabelledRows(rows, computed={"image": image})
