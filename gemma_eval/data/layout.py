"""Which files of a dataset repository hold a configuration's split.

The rules are those of `datasets`: the `configs` of README.md, or else the names of files and folders. They are applied to the list of
names alone, so nothing has to be fetched to know what to fetch.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from gemma_eval.errors import DataError, one_line

LONGEST_PATH = 1024  # characters
README = "README.md"
DEFAULT = "default"
VALIDATION = {"dev", "val", "valid"}  # what `datasets` takes for "validation" in names of files
SHOWN = 20  # names in a message
FORMATS = {
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".arrow": "arrow",
    ".txt": "text",
}
NOT_PARAMETERS = {"config_name", "data_files", "data_dir", "default", "description", "drop_labels", "features", "version"}


class MissingSplitError(DataError):
    """A repository has no such configuration or split, or no files of one. The message does not name the repository."""


class Layout:
    """The configurations of a repository, from the names of its files and the text of its README.md ("" if there is none).

    Raises `DataError` for a README.md whose metadata cannot be read.
    """

    def __init__(self, names: Iterable[str], readme: str = "") -> None:
        self.names = sorted(names)
        self._configs = _configs(readme)
        self._skeleton: tempfile.TemporaryDirectory[str] | None = None

    def files(self, config: str | None, split: str) -> list[str]:
        """The names of the files that hold a split, in order. Raises `MissingSplitError`, which says what there is."""
        patterns = self._patterns(config)
        if split not in patterns and split in VALIDATION and "validation" in patterns:
            split = "validation"
        if split not in patterns:
            raise MissingSplitError(f"no split {split!r}; it has {', '.join(patterns) or 'none'}")
        found = [name for pattern in patterns[split] for name in self._matching(pattern)]
        data = [name for name in dict.fromkeys(found) if format_of(name)]
        if not data:
            raise MissingSplitError(f"no files of split {split!r} ({', '.join(patterns[split])})")
        return data

    def parameters(self, config: str | None) -> dict[str, Any]:
        """How README.md says the files are read, such as the separator of CSV."""
        return {key: value for key, value in self._config(config).items() if key not in NOT_PARAMETERS}

    def _config(self, name: str | None) -> Mapping[str, Any]:
        configs = self._configs or {DEFAULT: {}}
        if name is None:
            marked = [key for key, value in configs.items() if value.get("default") or key == DEFAULT]
            if not marked and len(configs) > 1:
                raise MissingSplitError(f"a configuration must be named: {_some(configs)}")
            name = marked[0] if marked else next(iter(configs))
        if name not in configs:
            raise MissingSplitError(f"no such configuration; it has {_some(configs)}")
        return configs[name]

    def _patterns(self, config: str | None) -> dict[str, list[str]]:
        """The patterns of file names by split."""
        from datasets.data_files import EmptyDatasetError, get_data_patterns, sanitize_patterns

        chosen = self._config(config)
        folder = str(chosen.get("data_dir") or "")
        try:
            stated = chosen.get("data_files")
            found = sanitize_patterns(stated) if stated else get_data_patterns(str(self._root / folder))
        except EmptyDatasetError as error:
            raise MissingSplitError("no data files") from error
        except Exception as error:  # `datasets` takes what it finds for what it should be
            raise DataError(f"{README}: its data_files cannot be read: {one_line(error)}") from error
        placed = {str(split): [str(PurePosixPath(folder, str(pattern))) for pattern in patterns] for split, patterns in found.items()}
        for pattern in (pattern for patterns in placed.values() for pattern in patterns):
            if len(pattern) > LONGEST_PATH:  # making an expression of it takes minutes
                raise DataError(f"{README}: data_files {pattern[:40]!r}... has {len(pattern):,} characters: no path is so long")
            if "://" in pattern or ":/" in pattern or pattern.startswith("/") or ".." in PurePosixPath(pattern).parts:
                raise DataError(f"{README}: data_files {pattern!r}: not a file of the repository")
        return placed

    def _matching(self, pattern: str) -> list[str]:
        from datasets.data_files import resolve_pattern

        if pattern in self.names:
            return [pattern]
        try:
            found = resolve_pattern(pattern, str(self._root))
        except FileNotFoundError:
            return []
        return sorted(PurePosixPath(file).relative_to(PurePosixPath(self._root.as_posix())).as_posix() for file in found)

    @cached_property
    def _root(self) -> Path:
        """A folder of empty files with the repository's names, on which `datasets` applies its own rules."""
        self._skeleton = tempfile.TemporaryDirectory(prefix="layout-")
        root = Path(self._skeleton.name).resolve()
        for name in self.names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        return root


def format_of(name: str) -> str | None:
    """How a file is read: "parquet", "json", or as `datasets` calls its reader; None if it holds no rows. README.md does not."""
    suffixes = [suffix for suffix in PurePosixPath(name).suffixes if suffix not in {".gz", ".bz2", ".xz", ".zst"}]
    return FORMATS.get(suffixes[-1].lower()) if suffixes else None


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:SHOWN]) + (f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else "")


def _configs(readme: str) -> dict[str, dict[str, Any]]:
    """The configurations in a README's metadata, by name; none if it names none."""
    import yaml

    head = re.match(r"\s*---\r?\n(.*?)\r?\n---", readme, re.DOTALL)
    try:
        metadata = yaml.load(head[1], Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if head else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date such as 2024-13-45 is a ValueError
        raise DataError(f"{README}: its metadata cannot be read: {one_line(error, 300)}") from error
    found: dict[str, dict[str, Any]] = {}
    stated = metadata.get("configs") or [] if isinstance(metadata, dict) else []
    for config in stated if isinstance(stated, list) else [stated]:
        if not isinstance(config, dict) or not isinstance(config.get("config_name"), str | int):
            raise DataError(f"{README}: configs: found {config!r:.60}, expected a mapping with config_name and data_files")
        if found.setdefault(str(config["config_name"]), config) != config:
            raise DataError(f"{README}: configs: two are called {config['config_name']!r}, with other files: leave one of them out")
    return found
