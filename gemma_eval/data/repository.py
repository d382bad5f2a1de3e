"""Reads dataset repositories with `datasets`, from the Hub or from a folder laid out as there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_eval.data.rows import JoinedRows, Rows, StoredRows
from gemma_eval.data.table import Table, expanded
from gemma_eval.errors import DataError
from gemma_eval.runtime.hub import refusal

if TYPE_CHECKING:
    import datasets

    from gemma_eval.data.dataset import DatasetRef

MEND = "Check the config and split names and the connection, or point data.root at a local copy"


@dataclass(frozen=True)
class Address:
    """Where `datasets` finds a repository: `path` is its name on the Hub, or a folder."""

    path: str
    revision: str | None = None

    @property
    def folder(self) -> Path | None:
        """The folder, or None for a repository on the Hub."""
        return Path(self.path) if Path(self.path).is_dir() else None

    @cached_property
    def cache(self) -> str | None:
        """A cache folder for this state of a local folder, or None for a repository on the Hub.

        `datasets` does not notice when files of a folder change: it would read the old rows from its cache. So the name of the cache
        folder is a hash of the files' names, sizes and times.
        """
        import datasets

        if self.folder is None:
            return None
        files = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(self.folder.rglob("*")) if file.is_file()]
        digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16]
        return str(Path(datasets.config.HF_DATASETS_CACHE) / f"folder-{digest}")


def load_table(ref: DatasetRef, split: str, addresses: Mapping[str, Address], revision: str, no_address: str = "") -> Table:
    """All parts of `ref` that can be read. Those that the repository does not have are `missing`, with the reason.

    `addresses` are those of the repositories, by name; `no_address` is the reason why a repository has none. `revision` is recorded
    with the rows. Raises `DataError` if a part cannot be read, or if all are missing.
    """
    found: list[tuple[str, Address, datasets.Dataset]] = []
    missing: dict[str, str] = {}
    for name, repo, config in ref.parts():
        try:
            if repo not in addresses:
                raise _MissingPartError(no_address)
            found.append((name, addresses[repo], _read(ref, repo, addresses[repo], config, split)))
        except _MissingPartError as error:
            missing[name] = str(error)
        except DataError as error:
            raise DataError(f"{_where(repo, config, split)}: {error}") from error
    if not found:
        name, repo, config = ref.parts()[0]
        raise DataError(f"{_where(repo, config, split)}: {missing[name]}")
    parts: list[Rows] = [StoredRows(part, address.folder, {"config": name} if ref.configs else None) for name, address, part in found]
    ids = [f"{name}/{i}" if ref.configs else str(i) for name, _, part in found for i in range(len(part))]
    configs = [name for name, _, part in found for _ in range(len(part))]
    rows = parts[0] if len(parts) == 1 else JoinedRows(parts)
    return expanded(Table(ref.repo, split, rows, ids, configs, revision, missing=missing), ref.each)


def _where(repo: str, config: str | None, split: str) -> str:
    return f"{repo} config={config or 'default'} split={split}"


class _MissingPartError(DataError):
    """A repository lacks a configuration or split. The message does not name it, because many parts may be missing for one reason."""


def _read(ref: DatasetRef, repo: str, address: Address, config: str | None, split: str) -> datasets.Dataset:
    """The rows of one part, with the pivot's columns if there is a pivot. Raises `DataError`, or `_MissingPartError`."""
    import datasets
    from datasets import exceptions

    datasets.disable_progress_bars()
    try:
        part = _part(ref, address, config, split)
        return _with_pivot(part, _part(ref, address, ref.pivot, split)) if ref.pivot else part
    except exceptions.DatasetNotFoundError as error:
        raise DataError(refusal(error, repo, "dataset", address.revision)) from error
    except RuntimeError as error:
        if "script" in str(error):
            raise DataError("hosted as a loading script, which `datasets` no longer runs; set revision=refs/convert/parquet") from error
        raise DataError(_first_line(error)) from error
    except (ValueError, FileNotFoundError) as error:
        reason = _first_line(error).replace(f"BuilderConfig '{config}' not found", "no such configuration")
        raise _MissingPartError(f"cannot be read: {reason}. {MEND}") from error
    except (OSError, exceptions.DatasetsError) as error:
        raise DataError(f"cannot be read: {_first_line(error)}. {MEND}") from error


def _part(ref: DatasetRef, address: Address, config: str | None, split: str) -> datasets.Dataset:
    """The rows of one configuration."""
    import datasets

    load = partial(datasets.load_dataset, split=split, revision=address.revision, cache_dir=address.cache)
    if ref.files:
        file = ref.files.format(config=config, split="dev" if split == "validation" else split)  # such files say "dev"
        if not address.folder or (address.folder / file).is_file():  # a local copy may hold parquet instead
            return load(address.path, data_files={split: file}, field="examples")
    return load(address.path, config)


def _with_pivot(part: datasets.Dataset, pivot: datasets.Dataset) -> datasets.Dataset:
    """The columns of both, side by side. Raises `ValueError` if their rows are not parallel."""
    import datasets

    if len(part) != len(pivot) or ("id" in part.column_names and part["id"][:] != pivot["id"][:]):
        raise ValueError("its rows are not parallel to the pivot's")
    return datasets.concatenate_datasets([part, pivot.rename_columns({name: f"pivot_{name}" for name in pivot.column_names})], axis=1)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
