"""Rows of a dataset: from the Hub, from a local folder of dataset repositories, or from the bundled samples.

A source answers one question, `table(ref, split)`; nothing else in the program knows where rows come from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.repository import Address, load_table
from gemma_eval.data.rows import ListedRows, Row
from gemma_eval.data.table import Table, each_of
from gemma_eval.errors import DataError

__all__ = ["DatasetRef", "FolderSource", "HubSource", "Row", "SampleSource", "Source", "Table", "open_source"]


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
        if ref.views:
            kept = [{**item, "config": name} for name in ref.configs for item in kept]
        pivot = [item["row"] for item in kept if item["config"] == ref.pivot]
        kept = [item for item in kept if not ref.configs or item["config"] in ref.configs]
        if not kept:
            raise DataError(f"{samples.name}: no bundled rows of split {split!r}")
        many = bool(ref.configs)
        ids = [f"{item['config']}/{i}" if many else str(i) for i, item in _numbered(kept)]
        rows = [{**item["row"], "config": item["config"]} if many else item["row"] for item in kept]
        if ref.pivot:
            rows = [
                row | {f"pivot_{name}": value for name, value in pivot[i].items()}
                for row, (i, _) in zip(rows, _numbered(kept), strict=True)
            ]
        table = Table(f"samples:{ref.repo}", split, ListedRows(rows, samples.parent), ids, [item["config"] for item in kept], "bundled")
        return each_of(table, ref.each)

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
        addresses = {repo: Address(str(self.root / repo)) for repo in ref.repos() if (self.root / repo).is_dir()}
        if not addresses:
            raise DataError(f"{ref.repos()[0]}: {self._absent}")
        return load_table(ref, split, addresses, shown="local folder", absent=self._absent)

    @property
    def _absent(self) -> str:
        """Of a repository that the folder does not hold."""
        return (
            f"not in data.root={self.root}. Put a copy of the Hub repository there, under its organisation's name and its own, "
            "or leave data.root out to read it from the Hub"
        )

    def available(self, ref: DatasetRef, samples: Path) -> str:
        return "in folder" if all((self.root / repo).is_dir() for repo in ref.repos()) else "not in folder"


class HubSource:
    """The Hugging Face Hub, through its cache. The revision is resolved to a commit first, so that it can be recorded."""

    kind = "hub"

    def table(self, ref: DatasetRef, split: str, samples: Path) -> Table:
        commits = {repo: self._commit(repo, ref.revision) for repo in ref.repos()}
        addresses = {repo: Address(repo, commit or ref.revision) for repo, commit in commits.items()}
        return load_table(ref, split, addresses, shown=", ".join(commit or "cached, commit unknown" for commit in commits.values()))

    def _commit(self, repo: str, revision: str | None) -> str | None:
        import huggingface_hub
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

        try:
            return huggingface_hub.HfApi().dataset_info(repo, revision=revision).sha
        except GatedRepoError as error:
            raise DataError(
                f"{repo}: gated. Accept its terms at https://huggingface.co/datasets/{repo}, then log in with `hf auth login`"
            ) from error
        except RevisionNotFoundError as error:
            raise DataError(f"{repo}: no revision {revision!r}") from error
        except RepositoryNotFoundError as error:
            raise DataError(f"{repo}: no such dataset on the Hub, or it is private (log in with `hf auth login`)") from error
        except (HfHubHTTPError, OSError, RuntimeError):
            return None  # offline: the cache may still have it

    def available(self, ref: DatasetRef, samples: Path) -> str:
        from huggingface_hub import scan_cache_dir
        from huggingface_hub.errors import CacheNotFound

        try:
            cached = {repo.repo_id for repo in scan_cache_dir().repos if repo.repo_type == "dataset"}
        except CacheNotFound:
            cached = set()
        return "in cache" if cached.issuperset(ref.repos()) else "on the Hub"
