"""Repositories become tables, by `datasets`: on the Hub, or in a folder laid out as there. What a task asks of one says `DatasetRef`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_eval.data.rows import JoinedRows, Rows, StoredRows
from gemma_eval.data.table import Table
from gemma_eval.errors import DataError

if TYPE_CHECKING:
    import datasets

    from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.table import each_of


@dataclass(frozen=True)
class Address:
    """Where `datasets` finds a repository: its name on the Hub or a folder."""

    path: str
    revision: str | None = None

    @property
    def folder(self) -> Path | None:
        return Path(self.path) if Path(self.path).is_dir() else None

    @cached_property
    def cache(self) -> str | None:
        """Where the rows of a folder are kept, as it is now: `datasets` itself would go on with the old rows of a folder that changed."""
        import datasets

        if self.folder is None:
            return None
        files = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(self.folder.rglob("*")) if file.is_file()]
        digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16]
        return str(Path(datasets.config.HF_DATASETS_CACHE) / f"folder-{digest}")


def load_table(ref: DatasetRef, split: str, addresses: Mapping[str, Address], shown: str, absent: str = "") -> Table:
    """All parts that are there; the others are `missing`, with the reason (`absent` for those of a repository without address)."""
    found: list[tuple[str, Address, datasets.Dataset]] = []
    missing: dict[str, str] = {}
    for name, repo, config in ref.parts():
        try:
            if repo not in addresses:
                raise _MissingPartError(absent)
            found.append((name, addresses[repo], _read(ref, addresses[repo], config, split)))
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
    return each_of(Table(ref.repo, split, rows, ids, configs, shown, missing=missing), ref.each)


def _where(repo: str, config: str | None, split: str) -> str:
    return f"{repo} config={config or 'default'} split={split}"


class _MissingPartError(DataError):
    """A configuration or split that a repository does not have. The message does not name it: often there are many, for one reason."""


def _read(ref: DatasetRef, address: Address, config: str | None, split: str) -> datasets.Dataset:
    import datasets
    from datasets import exceptions

    datasets.disable_progress_bars()
    mend = "Check the config and split names and the connection, or point data.root at a local copy"
    try:
        part = _part(ref, address, config, split)
        return _with_pivot(part, _part(ref, address, ref.pivot, split)) if ref.pivot else part
    except exceptions.DatasetNotFoundError as error:
        raise DataError(
            f"not found or gated: {_first_line(error)}. If it is gated, accept its terms at "
            f"https://huggingface.co/datasets/{ref.repo}, then log in with `hf auth login`"
        ) from error
    except RuntimeError as error:
        if "script" in str(error):
            raise DataError("hosted as a loading script, which `datasets` no longer runs; set revision=refs/convert/parquet") from error
        raise DataError(_first_line(error)) from error
    except (ValueError, FileNotFoundError) as error:
        why = _first_line(error).replace(f"BuilderConfig '{config}' not found", "no such configuration")
        raise _MissingPartError(f"cannot be read: {why}. {mend}") from error
    except (OSError, exceptions.DatasetsError) as error:
        raise DataError(f"cannot be read: {_first_line(error)}. {mend}") from error


def _part(ref: DatasetRef, address: Address, config: str | None, split: str) -> datasets.Dataset:
    """The rows of one configuration."""
    import datasets

    load = partial(datasets.load_dataset, split=split, revision=address.revision, cache_dir=address.cache)
    if ref.files:
        file = ref.files.format(config=config, split="dev" if split == "validation" else split)  # the name that such files use
        if not address.folder or (address.folder / file).is_file():  # a local copy may be in parquet, configuration by configuration
            return load(address.path, data_files={split: file}, field="examples")
    return load(address.path, config)


def _with_pivot(part: datasets.Dataset, pivot: datasets.Dataset) -> datasets.Dataset:
    import datasets

    if len(part) != len(pivot) or ("id" in part.column_names and part["id"][:] != pivot["id"][:]):
        raise ValueError("its rows are not parallel to the pivot's")
    return datasets.concatenate_datasets([part, pivot.rename_columns({name: f"pivot_{name}" for name in pivot.column_names})], axis=1)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
