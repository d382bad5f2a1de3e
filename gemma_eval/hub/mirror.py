"""A mirror: repositories in a folder, for machines without network, with the commits, sizes and hashes of their files in mirror.json.

    mirror.json
    baber/piqa/data/validation-00000-of-00001.parquet      data sets, as data.root reads them
    models/google/gemma-3-4b-pt/model.safetensors.index.json

A file that was fetched in part is a sparse file of the whole length, and mirror.json says which ranges of it are there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gemma_eval.errors import DataError
from gemma_eval.hub.connection import connection
from gemma_eval.hub.download import Wanted
from gemma_eval.hub.partial import PartialFile, Range, joined
from gemma_eval.hub.refusals import Kind
from gemma_eval.hub.snapshot import HubFile, Snapshot, keep_listing, read_small, repository_cache
from gemma_eval.runtime.files import replace_text

INDEX = "mirror.json"
CARD = "README.md"  # says which files of a data set hold what
SCHEMA = 1
BLOCK = 1 << 20  # bytes that are hashed or copied at once


@dataclass(frozen=True)
class Mirrored:
    """A repository in a mirror. `files`: all that the Hub has at the commit. `here`: those in the mirror; `parts`: those here in part."""

    kind: Kind
    repo: str
    commit: str
    gated: bool
    files: dict[str, HubFile]
    here: list[str]
    parts: dict[str, list[Range]]

    @property
    def snapshot(self) -> Snapshot:
        """The repository at its commit."""
        return Snapshot(self.repo, self.kind, self.commit, self.files, self.gated)

    def folder(self, root: Path) -> Path:
        """Where its files are in the mirror."""
        return root / "models" / self.repo if self.kind == "model" else root / self.repo


@dataclass(frozen=True)
class Index:
    """The content of mirror.json."""

    schema: int
    repositories: list[Mirrored]

    def find(self, kind: Kind, repo: str) -> Mirrored | None:
        """A repository, if the mirror has it."""
        return next((one for one in self.repositories if (one.kind, one.repo) == (kind, repo)), None)


_ADAPTER = TypeAdapter(Index)


def read_index(root: Path) -> Index:
    """The index of a mirror; an empty one for any other folder. Raises `DataError` if it is damaged or newer than this program."""
    file = root / INDEX
    if not file.is_file():
        return Index(SCHEMA, [])
    try:
        found = _ADAPTER.validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{file}: damaged ({where}: {first['msg']}): export the mirror again with `gemma-eval data export`") from error
    if found.schema > SCHEMA:
        raise DataError(f"{file}: has schema {found.schema}, which a newer version wrote: update gemma_eval")
    return found


def export(root: Path, wanted: Iterable[Wanted], parts: Sequence[PartialFile]) -> Iterator[Mirrored]:
    """Copy files that are in the cache into a mirror, repository by repository. What the mirror has already stays."""
    index = read_index(root)
    of_snapshot: dict[tuple[Kind, str, str], list[PartialFile]] = {}
    for part in parts:
        of_snapshot.setdefault((part.snapshot.kind, part.snapshot.repo, part.snapshot.commit), []).append(part)
    for one in wanted:
        snapshot = one.snapshot
        before = index.find(snapshot.kind, snapshot.repo)
        kept = before if before and before.commit == snapshot.commit else None
        kept_here, kept_parts = (kept.here, kept.parts) if kept else ([], {})
        partial = {part.name: part for part in of_snapshot.get((snapshot.kind, snapshot.repo, snapshot.commit), [])}
        card = [CARD] if CARD in snapshot.files and snapshot.kind == "dataset" else []
        here = sorted({*one.names, *card, *kept_here})
        new = {name: part.have() for name, part in partial.items() if name not in here}
        ranges = {name: joined([*kept_parts.get(name, []), *new.get(name, [])]) for name in kept_parts | new if name not in here}
        written = Mirrored(snapshot.kind, snapshot.repo, snapshot.commit, snapshot.gated, dict(snapshot.files), here, ranges)
        folder = written.folder(root)
        for name in card:
            replace_text(folder / name, read_small(connection(), snapshot, name))
        for name in one.names:
            _copy(snapshot.folder / name, folder / name, known=name in kept_here)
        for name, copied in new.items():
            _copy_ranges(partial[name].path, folder / name, copied, partial[name].size)
        others = [other for other in index.repositories if (other.kind, other.repo) != (snapshot.kind, snapshot.repo)]
        index = Index(SCHEMA, sorted([*others, written], key=lambda entry: (entry.kind, entry.repo)))
        replace_text(root / INDEX, json.dumps(_ADAPTER.dump_python(index, mode="json"), indent=1) + "\n")
        yield written


def import_(root: Path) -> Iterator[Mirrored]:
    """Copy a mirror into the Hub's cache, so that settings without data.root find it. Raises `DataError` if it is no mirror."""
    index = read_index(root)
    if not index.repositories:
        raise DataError(f"{root}: not a mirror (no {INDEX}): name a folder that `gemma-eval data export` wrote")
    for one in index.repositories:
        snapshot = one.snapshot
        for name in one.here:
            _copy(one.folder(root) / name, snapshot.folder / name, known=True)
        for name, ranges in one.parts.items():
            PartialFile.adopt(snapshot, name, one.folder(root) / name, ranges)
        keep_listing(snapshot)
        main = repository_cache(one.repo, one.kind) / "refs" / "main"
        if not main.exists():
            replace_text(main, one.commit)
        yield one


def damaged(files: Mapping[str, HubFile], folder: Path, names: Iterable[str]) -> Iterator[str]:
    """The files that are missing or have another content than on the Hub, and why."""
    for name in names:
        file, known = folder / name, files.get(name)
        if not file.is_file():
            yield f"{name}: missing"
        elif known is None or not known.oid:
            yield f"{name}: the Hub's hash of it is not known: connect once"
        elif (found := content_hash(file, git=len(known.oid) == 40)) != known.oid:
            yield f"{name}: has hash {found[:12]}..., and on the Hub {known.oid[:12]}...: delete {file.resolve()} and fetch it again"


def content_hash(file: Path, *, git: bool) -> str:
    """SHA-256 of a file, or git's hash of a blob, which the Hub gives for small files."""
    digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size) if git else hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _copy(source: Path, target: Path, *, known: bool) -> None:
    """Copy a file under another name first, so that a kill leaves no half of it. `known`: one of the same size is the same file."""
    if known and target.is_file() and target.stat().st_size == source.stat().st_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.copying")
    shutil.copyfile(source, scratch)
    scratch.replace(target)


def _copy_ranges(source: Path, target: Path, ranges: Sequence[Range], size: int) -> None:
    """Copy ranges of a sparse file, which stays sparse."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as stream, target.open("r+b" if target.is_file() else "wb") as copy:
        copy.truncate(size)
        for start, end in ranges:
            stream.seek(start)
            copy.seek(start)
            copy.write(stream.read(end - start))
