"""The benchmarks as dataset repositories: made of the bundled samples, or real ones from a folder.

Names, configurations, splits and pinned commits are those of the task pages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from gemma_eval.data.dataset import DatasetRef
from gemma_eval.task import discovery
from gemma_eval.task.registry import registry
from tests.hub.server import LocalHub

Rows = list[dict[str, Any]]

UNREAD = "unread"  # a split that no task reads
BUNDLED = {"squad": "ruler_qa_1", "hotpot_qa": "ruler_qa_2"}  # the bundled items of datasets that a page reads besides its own


@dataclass(frozen=True)
class Shape:
    """How parquet files are written: the rows of a row group, those of a file with images, and the bytes of noise after an image.

    By default a split has several groups, and one with images has several files if it is long.
    """

    row_group: int = 4
    file_rows: int = 10
    noise: int = 0


@dataclass
class SampleRepository:
    """A repository to be written. `configs`: rows by configuration and split. `images`: the folder that paths of images start from."""

    ref: DatasetRef
    images: Path
    configs: dict[str, dict[str, Rows]] = field(default_factory=dict)


def references() -> Iterator[tuple[DatasetRef, Path]]:
    """What the project's own pages read from the Hub, each with its file of bundled items."""
    for page in registry().values():
        if not page.__module__.startswith(f"{discovery.PAGES}."):
            continue
        task = page()
        for name in (entry.name for entry in fields(task)):
            ref = getattr(task, name)
            if isinstance(ref, DatasetRef) and not ref.generated and not ref.origin:
                yield ref, task.samples_file().with_stem(BUNDLED.get(name, task.samples_file().stem))


def write_repositories(root: Path, *, complete: bool = True) -> None:
    """Write a repository for each dataset that tasks read, to `<root>/<organisation>/<name>`.

    The bundled samples have rows of few configurations. With `complete`, each of the others gets the rows of the first one that has
    any; otherwise it is missing. Each parquet configuration also has a split that no task reads.
    """
    for position, (name, repository) in enumerate(sorted(_repositories(complete).items())):
        plain = list(repository.configs) == ["default"] and position % 2 == 1  # the files of these are found by their names
        _write(root / name, repository, Shape(), listed=not plain)


def write_enlarged(root: Path, task: str, *, copies: int, shape: Shape) -> Path:
    """Write the repository of an image task with each row repeated, and noise after each image; return its folder.

    It is for tests of what is fetched of large files. Decoders of images ignore the noise, which is different in each copy.
    """
    ref = registry()[task]().dataset
    repository = _repositories(complete=False)[ref.repo]
    for splits in repository.configs.values():
        for split, rows in splits.items():
            splits[split] = rows * copies
    _write(root / ref.repo, repository, shape, listed=True)
    return root / ref.repo


def add_benchmarks(hub: LocalHub, root: Path) -> None:
    """Add the repositories of a folder, which are at `<root>/<organisation>/<name>`, to a Hub.

    If the pages pin a commit, it is the repository's only one. A repository that the pages know under another organisation has that
    name, and its own is redirected.
    """
    pinned = {repo: ref.pinned for ref, _ in references() for repo in ref.repos()}
    current = {repo.split("/")[1]: repo for repo in pinned}
    for folder in sorted(path for path in root.glob("*/*") if path.is_dir()):
        own = f"{folder.parent.name}/{folder.name}"
        name = own if own in pinned else current.get(folder.name, own)
        hub.add("datasets", name, folder, id=pinned.get(name) or None)
        if name != own:
            hub.moved["datasets", own] = name


def _repositories(complete: bool) -> dict[str, SampleRepository]:
    """All repositories by name."""
    found: dict[str, SampleRepository] = {}
    for ref, samples in references():
        items = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines() if line.strip()]
        for config, splits in _configs(ref, items, complete).items():
            several = "{config}" in ref.repo  # one repository for each configuration
            name = ref.repo.format(config=config)
            found.setdefault(name, SampleRepository(ref, samples.parent)).configs["default" if several else config] = splits
    return found


def _configs(ref: DatasetRef, items: Rows, complete: bool) -> dict[str, dict[str, Rows]]:
    """The rows by configuration and split."""
    bundled: dict[str, dict[str, Rows]] = {}
    for item in items:
        bundled.setdefault(item["config"], {}).setdefault(item["split"], []).append(item["row"])
    if not ref.configs or ref.views:
        ((name, splits),) = bundled.items()
        return {ref.config or name or "default": splits}
    wanted = dict.fromkeys([*ref.configs, *([ref.pivot] if ref.pivot else [])])
    first = next(bundled[name] for name in wanted if name in bundled)
    return {name: bundled.get(name, first) for name in wanted if complete or name in bundled}


def _write(folder: Path, repository: SampleRepository, shape: Shape, *, listed: bool) -> None:
    """Write a repository. `listed`: README.md says which files hold which parquet splits."""
    folder.mkdir(parents=True)
    card: dict[str, Any] = {"license": "apache-2.0"}
    if repository.ref.files:
        _write_json(folder, repository)
    else:
        _write_parquet(folder, repository, shape)
        if listed:
            card["configs"] = [_card_entry(config, splits) for config, splits in repository.configs.items()]
    header = yaml.safe_dump(card, sort_keys=False)
    (folder / "README.md").write_text(f"---\n{header}---\n\nRows made for the tests of gemma_eval.\n", encoding="utf-8")


def _write_json(folder: Path, repository: SampleRepository) -> None:
    """Write a file for each configuration and split: JSON lines, or a document with the rows under "examples"."""
    assert repository.ref.files
    for config, splits in repository.configs.items():
        for split, rows in splits.items():
            file = folder / repository.ref.files.format(config=config, split="dev" if split == "validation" else split)
            if file.suffix == ".jsonl":
                text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
            else:
                text = json.dumps({"canary": "Rows made for tests.", "examples": rows}, ensure_ascii=False, indent=1)
            file.write_text(text, encoding="utf-8")


def _write_parquet(folder: Path, repository: SampleRepository, shape: Shape) -> None:
    """Write the files of each configuration and split, as `datasets` writes them."""
    noise = Random(0)
    for config, splits in repository.configs.items():
        every = [row for rows in splits.values() for row in rows]
        images = _image_columns(every)
        schema = _features(every, images).arrow_schema
        target = folder / _folder_of(config)
        target.mkdir(exist_ok=True)
        for split, rows in {**splits, UNREAD: every}.items():
            step = shape.file_rows if images else len(rows)
            starts = range(0, len(rows), step)
            for number, start in enumerate(starts):
                stored = [_stored(row, images, repository.images, noise, shape.noise) for row in rows[start : start + step]]
                file = target / f"{split}-{number:05}-of-{len(starts):05}.parquet"
                pq.write_table(pa.Table.from_pylist(stored, schema=schema), file, row_group_size=shape.row_group)


def _folder_of(config: str) -> str:
    """The folder of a configuration's files, as `datasets` names it."""
    return "data" if config == "default" else config


def _card_entry(config: str, splits: Mapping[str, Rows]) -> dict[str, Any]:
    """A configuration, as README.md says where its files are."""
    files = [{"split": split, "path": f"{_folder_of(config)}/{split}-*"} for split in [*splits, UNREAD]]
    return {"config_name": config, "data_files": files}


def _image_columns(rows: Rows) -> set[str]:
    """The columns of images. A column "image_7" without a value is one of them: items have up to seven images."""
    found = set()
    for name in {name for row in rows for name in row}:
        values = [row[name] for row in rows if row.get(name) is not None]
        if all(isinstance(value, dict) and set(value) == {"path"} for value in values) and (values or name.startswith("image_")):
            found.add(name)
    return found


def _features(rows: Rows, images: set[str]) -> datasets.Features:
    """The types of the columns. A column without a value is one of strings."""
    names = dict.fromkeys(name for row in rows for name in row)
    plain = {name: _without_null(pa.array([row.get(name) for row in rows]).type) for name in names if name not in images}
    inferred = datasets.Features.from_arrow_schema(pa.schema(plain))
    return datasets.Features({name: datasets.Image() if name in images else inferred[name] for name in names})


def _without_null(kind: Any) -> Any:
    """An Arrow type with strings in place of what has no value."""
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_without_null(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(entry.name, _without_null(entry.type)) for entry in kind])
    return kind


def _stored(row: Mapping[str, Any], images: set[str], folder: Path, noise: Random, length: int) -> dict[str, Any]:
    """The row with its images as bytes, and so many bytes of noise after each."""
    paths = {name: folder / row[name]["path"] for name in sorted(images) if row.get(name)}
    return {**row, **{name: {"bytes": path.read_bytes() + noise.randbytes(length), "path": path.name} for name, path in paths.items()}}
