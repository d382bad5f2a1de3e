"""Rows of a dataset: from the Hub, from a local folder of dataset repositories, or from the bundled samples.

A source answers one question, `table(ref, split)`; nothing else in the program knows where rows come from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from gemma_eval.errors import DataError

Row: TypeAlias = Mapping[str, Any]


@dataclass(unsafe_hash=True)  # hashable, so that an instance may stand as a task's default
class DatasetRef:
    """A dataset repository on the Hub and the splits a task reads.

    `configs` lists several configurations read as one dataset (one per language, say); each row then names its own in the
    column "config". Pin `revision` by commit; only parquet-hosted repositories load: `datasets` runs no loading scripts since version 4.
    """

    repo: str = ""
    split: str = "test"
    fewshot_split: str | None = None
    config: str | None = None
    configs: list[str] = field(default_factory=list)
    revision: str | None = None

    def names(self) -> list[str | None]:
        return list(self.configs) or [self.config]


@dataclass(frozen=True)
class Table:
    """The rows of one split. `rows[i]` has the dataset's own columns; `configs[i]` names its configuration; `ids[i]` is stable."""

    repo: str
    split: str
    rows: Sequence[Row]
    ids: Sequence[str]
    configs: Sequence[str]
    revision: str

    def where(self, index: int) -> str:
        return f"{self.repo} config={self.configs[index] or 'default'} split={self.split} row={self.ids[index]}"

    def sha256(self) -> str:
        """Hash of all rows, in order, as canonical JSON (bytes by their own hash)."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False, default=_canonical).encode())
            digest.update(b"\n")
        return digest.hexdigest()


def _canonical(value: Any) -> str:
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else repr(value)


class Source(Protocol):
    """Where rows come from. `kind` is recorded with the scores: samples are not the benchmark."""

    kind: str

    def table(self, ref: DatasetRef, split: str, samples: Path) -> Table: ...

    def available(self, ref: DatasetRef, samples: Path) -> str:
        """One word or phrase on whether the data can be had, without reading rows."""
        ...


def open_source(*, root: str | None, samples: bool) -> Source:
    if samples:
        return SampleSource()
    return FolderSource(Path(root)) if root else HubSource()


class SampleSource:
    """Items bundled with a task page: `samples/<task>.jsonl`, lines of {"config", "split", "row"}."""

    kind = "samples"

    def table(self, ref: DatasetRef, split: str, samples: Path) -> Table:
        if not samples.is_file():
            raise DataError(f"{samples.stem}: no bundled samples ({samples.name}); run it with data.root=FOLDER or from the Hub")
        items = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines() if line.strip()]
        kept = [item for item in items if item["split"] == split]
        if not kept:
            raise DataError(f"{samples.name}: no bundled rows of split {split!r}")
        many = bool(ref.configs)
        ids = [f"{item['config']}/{i}" if many else str(i) for i, item in _numbered(kept)]
        return Table(
            repo=f"samples:{ref.repo}",
            split=split,
            rows=[{**item["row"], "config": item["config"]} if many else item["row"] for item in kept],
            ids=ids,
            configs=[item["config"] for item in kept],
            revision="bundled",
        )

    def available(self, ref: DatasetRef, samples: Path) -> str:
        return "bundled" if samples.is_file() else "no samples"


def _numbered(items: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Each item with its index among the items of its own configuration."""
    seen: dict[str, int] = {}
    numbered = []
    for item in items:
        index = seen.get(item["config"], 0)
        seen[item["config"]] = index + 1
        numbered.append((index, item))
    return numbered


class FolderSource:
    """A folder of dataset repositories, `<root>/<org>/<name>`, each laid out as on the Hub."""

    kind = "folder"

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"data.root={root}: no such folder")
        self.root = root.resolve()

    def table(self, ref: DatasetRef, split: str, samples: Path) -> Table:
        folder = self.root / ref.repo
        if not folder.is_dir():
            raise DataError(
                f"{ref.repo}: not in data.root={self.root}. Put a copy of the Hub repository at {folder}, "
                "or leave data.root out to read it from the Hub"
            )
        return _load(ref, split, str(folder), revision=None, shown="local folder")

    def available(self, ref: DatasetRef, samples: Path) -> str:
        return "in folder" if (self.root / ref.repo).is_dir() else "not in folder"


class HubSource:
    """The Hugging Face Hub, through its cache. The revision is resolved to a commit first, so that it can be recorded."""

    kind = "hub"

    def table(self, ref: DatasetRef, split: str, samples: Path) -> Table:
        commit = self._commit(ref)
        return _load(ref, split, ref.repo, revision=commit or ref.revision, shown=commit or "cached, commit unknown")

    def _commit(self, ref: DatasetRef) -> str | None:
        import huggingface_hub
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

        try:
            return huggingface_hub.HfApi().dataset_info(ref.repo, revision=ref.revision).sha
        except GatedRepoError as error:
            raise DataError(
                f"{ref.repo}: gated. Accept its terms at https://huggingface.co/datasets/{ref.repo}, then log in with `hf auth login`"
            ) from error
        except RevisionNotFoundError as error:
            raise DataError(f"{ref.repo}: no revision {ref.revision!r}") from error
        except RepositoryNotFoundError as error:
            raise DataError(f"{ref.repo}: no such dataset on the Hub, or it is private (log in with `hf auth login`)") from error
        except (HfHubHTTPError, OSError, RuntimeError):
            return None  # offline: the cache may still have it

    def available(self, ref: DatasetRef, samples: Path) -> str:
        from huggingface_hub import scan_cache_dir
        from huggingface_hub.errors import CacheNotFound

        try:
            cached = {repo.repo_id for repo in scan_cache_dir().repos if repo.repo_type == "dataset"}
        except CacheNotFound:
            cached = set()
        return "in cache" if ref.repo in cached else "on the Hub"


def _load(ref: DatasetRef, split: str, path: str, revision: str | None, shown: str) -> Table:
    import datasets
    from datasets import exceptions

    datasets.disable_progress_bars()
    rows: list[Row] | datasets.Dataset = []
    ids: list[str] = []
    configs: list[str] = []
    parts = []
    for config in ref.names():
        where = f"{ref.repo} config={config or 'default'} split={split}"
        try:
            part = datasets.load_dataset(path, config, split=split, revision=revision)
        except exceptions.DatasetNotFoundError as error:
            raise DataError(
                f"{where}: not found or gated: {_first_line(error)}. If it is gated, accept its terms at "
                f"https://huggingface.co/datasets/{ref.repo}, then log in with `hf auth login`"
            ) from error
        except RuntimeError as error:
            if "script" in str(error):
                raise DataError(
                    f"{where}: hosted as a loading script, which `datasets` no longer runs; set revision=refs/convert/parquet"
                ) from error
            raise DataError(f"{where}: {_first_line(error)}") from error
        except (ValueError, OSError, exceptions.DatasetsError) as error:
            raise DataError(
                f"{where}: cannot be read: {_first_line(error)}. "
                "Check the config and split names and the connection, or point data.root at a local copy"
            ) from error
        parts.append(part.add_column("config", [config] * len(part)) if ref.configs else part)
        ids += [f"{config}/{i}" if ref.configs else str(i) for i in range(len(part))]
        configs += [config or ""] * len(part)
    rows = parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts)
    return Table(ref.repo, split, rows, ids, configs, shown)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
