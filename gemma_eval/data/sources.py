"""Sources of rows: the Hub, a local folder of dataset repositories, or the bundled samples.

The rest of the program asks a source for a table and does not know where its rows come from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from gemma_eval.data.dataset import DatasetRef, former_names
from gemma_eval.data.files import Files, FolderFiles, MirrorFiles
from gemma_eval.data.hub_source import HubSource
from gemma_eval.data.repository import load_table
from gemma_eval.data.rows import ListedRows
from gemma_eval.data.table import Table, expanded
from gemma_eval.errors import DataError
from gemma_eval.hub.lock import DataLock
from gemma_eval.hub.mirror import read_index


class Source(Protocol):
    """Where rows come from. `kind` is recorded with the scores, because a score on bundled samples is not one on the benchmark."""

    kind: str

    def table(self, ref: DatasetRef, split: str, samples: Path) -> Table:
        """The rows of one split. `samples` is the file of bundled items. Raises `DataError` if they cannot be read."""
        ...

    def available(self, ref: DatasetRef, samples: Path) -> str:
        """A phrase that says whether the data is at hand, such as "in cache". Reads no rows."""
        ...


def open_source(
    *, root: str | None, samples: bool, lock: str | None = None, pinned: Mapping[str, str] | None = None, update: bool = False
) -> Source:
    """The bundled samples, else the folder `root`, else the Hub. Raises `DataError` if there is no such folder.

    `lock`, `pinned` and `update`: see `HubSource`.
    """
    if samples:
        return SampleSource()
    if root:
        return FolderSource(Path(root))
    return HubSource(lock=DataLock(Path(lock) if lock else None), pinned=pinned, update=update)


class SampleSource:
    """The items bundled with a task page: `samples/<task>.jsonl`, whose lines are {"config", "split", "row"}."""

    kind = "samples"

    def table(self, ref: DatasetRef, split: str, samples: Path) -> Table:
        """The bundled rows of the split and the configurations of `ref`."""
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
        return expanded(table, ref.each)

    def available(self, ref: DatasetRef, samples: Path) -> str:
        """Either "bundled" or "no samples"."""
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
    """A folder of dataset repositories, `<root>/<organisation>/<name>`, each laid out as on the Hub.

    In a mirror, which `gemma-eval data export` wrote, it is known of which commits the files are.
    """

    kind = "folder"

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"data.root={root}: no such folder")
        self.root = root.resolve()
        self._mirror = read_index(self.root)

    def table(self, ref: DatasetRef, split: str, samples: Path) -> Table:
        """The rows of the repositories that the folder holds."""
        found: dict[str, Files] = {}
        for repo in ref.repos():
            if mirrored := self._mirror.find("dataset", repo):
                found[repo] = MirrorFiles(self.root, mirrored)
            elif folder := self._folder(repo):
                found[repo] = FolderFiles(folder)
        if not found:
            raise DataError(f"{ref.repos()[0]}: {self._absent}")
        return load_table(ref, split, found, no_repository=self._absent)

    def _folder(self, repo: str) -> Path | None:
        """The folder of a repository, under its name on the Hub or one that it had before."""
        candidates = (self.root / name for name in (repo, *former_names(repo)))
        return next((folder for folder in candidates if folder.is_dir()), None)

    @property
    def _absent(self) -> str:
        """The reason why a repository is not there."""
        return (
            f"not in data.root={self.root}. Put a copy of the Hub repository there, as ORGANISATION/NAME, "
            "or leave data.root out to read it from the Hub"
        )

    def available(self, ref: DatasetRef, samples: Path) -> str:
        """Either "in folder", if the folder holds all repositories, or "not in folder"."""
        return "in folder" if all(self._folder(repo) for repo in ref.repos()) else "not in folder"
