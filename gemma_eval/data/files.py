"""The files of one dataset repository, in a local folder or on the Hub: their names, and where they are once they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from gemma_eval.data.layout import README, Layout, format_of
from gemma_eval.data.parquet import Ranges
from gemma_eval.errors import DataError, HubError
from gemma_eval.hub.connection import Connection
from gemma_eval.hub.download import Wanted, fetch
from gemma_eval.hub.mirror import Mirrored
from gemma_eval.hub.partial import PartialFile, Range, joined, without
from gemma_eval.hub.snapshot import Snapshot, read_small

PARTIAL_FROM = 16 << 20  # bytes of a file from which it may be fetched in part; a smaller one is sooner here whole


class Files(Protocol):
    """The files of a repository. `commit`: that on the Hub; None if it is not known. `folder`: what paths of images are relative to."""

    commit: str | None
    folder: Path
    lasting: bool  # whether the files of this commit cannot change

    @property
    def layout(self) -> Layout:
        """Which files hold which split."""
        ...

    def has(self, name: str) -> bool:
        """Whether the repository has this file."""
        ...

    def whole(self, name: str) -> Path:
        """Where a file is on this machine; it is fetched if it is not here. Raises `DataError` or `HubError`."""
        ...

    def part(self, name: str) -> Ranges | None:
        """The file in ranges, if it should not be fetched whole; None if it is here, or should be."""
        ...


class FolderFiles:
    """The files of a repository in a local folder."""

    lasting = False
    commit: str | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def layout(self) -> Layout:
        """Which files hold which split."""
        names = (file.relative_to(self.folder).as_posix() for file in sorted(self.folder.rglob("*")) if file.is_file())
        return Layout(names, _read(self.folder / README) if self.has(README) else "")

    def has(self, name: str) -> bool:
        """Whether the folder has this file."""
        return (self.folder / name).is_file()

    def whole(self, name: str) -> Path:
        """Where the file is."""
        return self.folder / name

    def part(self, name: str) -> Ranges | None:
        """None: a folder holds whole files."""
        return None


def _read(readme: Path) -> str:
    """The text of a README.md. What is not UTF-8 in it is of no matter: its metadata are."""
    return readme.read_text(encoding="utf-8-sig", errors="replace")


class MirrorFiles:
    """The files of a repository in a mirror, which may hold some of them, and some in part."""

    lasting = False

    def __init__(self, root: Path, mirrored: Mirrored) -> None:
        self._mirrored = mirrored
        self.folder = mirrored.folder(root)
        self.commit: str | None = mirrored.commit

    @cached_property
    def layout(self) -> Layout:
        """Which files hold which split, of all files that the Hub has at the commit."""
        return Layout(self._mirrored.files, _read(self.whole(README)) if self.has(README) else "")

    def has(self, name: str) -> bool:
        """Whether the repository has this file at the commit."""
        return name in self._mirrored.files

    def whole(self, name: str) -> Path:
        """Where the file is. Raises `DataError` if the mirror does not hold it whole."""
        file = self.folder / name
        if name in self._mirrored.here and file.is_file() and file.stat().st_size == self._mirrored.files[name].size:
            return file
        in_part = " whole, but for the rows of a limit and a seed: use those" if name in self._mirrored.parts else ""
        raise DataError(f"{file}: not in the mirror{in_part}, or export it again with `gemma-eval data export` and these settings")

    def part(self, name: str) -> Ranges | None:
        """The ranges that the mirror holds of a file."""
        if name not in self._mirrored.parts:
            return None
        return MirrorPart(self.folder / name, self._mirrored.files[name].size, self._mirrored.parts[name])


class MirrorPart:
    """A file that a mirror holds in part."""

    def __init__(self, path: Path, size: int, ranges: Sequence[Range]) -> None:
        self.path = path
        self.size = size
        self._ranges = joined(ranges)

    def ensure(self, ranges: Iterable[Range]) -> None:
        """Raise `DataError` if one of these is not here."""
        if self.missing_bytes(ranges):
            raise DataError(f"{self.path}: the mirror holds it for the rows of another limit or seed: use those, or export it again")

    def missing_bytes(self, ranges: Iterable[Range]) -> int:
        """How much of these is not here."""
        return sum(end - start for start, end in without(joined(ranges), self._ranges))


class HubFiles:
    """The files of a repository on the Hub, at one commit. `failed`: why its files cannot be had, if that is known already."""

    lasting = True

    def __init__(self, connection: Connection, snapshot: Snapshot, *, in_parts: Callable[[str], bool]) -> None:
        self._connection = connection
        self._in_parts = in_parts
        self.snapshot = snapshot
        self.commit: str | None = snapshot.commit
        self.folder = snapshot.folder
        self.failed: HubError | None = None

    @cached_property
    def layout(self) -> Layout:
        """Which files hold which split."""
        return Layout(self.snapshot.files, read_small(self._connection, self.snapshot, README) if self.has(README) else "")

    def has(self, name: str) -> bool:
        """Whether the repository has this file."""
        return name in self.snapshot.files

    def whole(self, name: str) -> Path:
        """Where the file is in the Hub's cache."""
        if (path := self.snapshot.local(name)) is None:
            if self.failed:
                raise self.failed
            for error in fetch(self._connection, [Wanted(self.snapshot, (name,))]).values():
                raise error
            path = self.snapshot.local(name)
            assert path is not None, "fetch raises or fetches"
        return path

    def part(self, name: str) -> Ranges | None:
        """The file in ranges, if it is a large parquet file that is not here and whose images are wanted for a few rows."""
        if not self.may_be_partial(name) or self.snapshot.local(name):
            return None
        return PartialFile(self._connection, self.snapshot, name)

    def may_be_partial(self, name: str) -> bool:
        """Whether the file is fetched in ranges where it is not here yet."""
        return self._in_parts(name) and format_of(name) == "parquet" and self.snapshot.files[name].size >= PARTIAL_FROM


def names_of(files: Files, config: str | None, split: str, template: str | None) -> list[str]:
    """The names of the files that hold a split. `template`: the name that a page gives them, with {config} and {split} in it.

    Where the repository has no such file, as a local copy may not, the split is found as `datasets` finds it.
    Raises `MissingSplitError`, or `DataError` if README.md cannot be read.
    """
    named = named_file(files, config, split, template)
    return [named] if named else files.layout.files(config, split)


def named_file(files: Files, config: str | None, split: str, template: str | None) -> str | None:
    """The file that a page names, if it names one and the repository has it."""
    if template is None:
        return None
    name = template.format(config=config, split="dev" if split == "validation" else split)  # such files say "dev"
    return name if files.has(name) else None
