"""What a local Hub holds: repositories, with their commits, refs and files, and who may read them.

A commit is a list of named files that stay where they are on disk. They must not change while the Hub is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

Kind = Literal["datasets", "models"]

LARGE = 10_000_000  # bytes; the Hub keeps longer files in large file storage (LFS) whatever their name is
LARGE_SUFFIXES = {".arrow", ".bin", ".gguf", ".gz", ".jpg", ".model", ".npy", ".parquet", ".png", ".pt", ".safetensors", ".zip", ".zst"}


@dataclass(frozen=True)
class StoredFile:
    """A file of a commit."""

    path: Path

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.path.stat().st_size

    @property
    def large(self) -> bool:
        """Whether it is in large file storage: its bytes then come from another origin, and git has only a pointer to it."""
        return self.path.suffix in LARGE_SUFFIXES or self.size > LARGE

    @property
    def pointer(self) -> bytes:
        """What git stores of a large file."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of its bytes, in hexadecimal."""
        state = self.path.stat()
        return _sha256(self.path, state.st_size, state.st_mtime_ns)

    @cached_property
    def blob_id(self) -> str:
        """The id that git gives to the file, or to the pointer of a large file."""
        content = self.pointer if self.large else self.path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def etag(self) -> str:
        """What the Hub says as ETag: the SHA-256 of a large file, the git id of another."""
        return self.sha256 if self.large else self.blob_id


@cache
def _sha256(path: Path, size: int, time: int) -> str:
    """SHA-256 of a file in this state. A checkpoint of a gigabyte is hashed once in a process."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


Files = Mapping[str, StoredFile]
"""The files of a commit by their name in the repository, sorted by name."""


def files_of(folder: Path) -> dict[str, Path]:
    """All files under a folder, by the name that they have in a repository."""
    return {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}


@dataclass
class Repository:
    """A dataset or model repository. Its fields may be set at any time; the next request sees them.

    - `commits`: files by commit, oldest first. `refs`: commits by ref, such as "main" or "refs/convert/parquet".
    - `gated`: only the users in `readers` get files. Anyone gets the listing, and README.md too if `public_readme`.
    - `private`: for all but `readers` it does not exist. `disabled`: nobody gets anything.
    """

    kind: Kind
    name: str
    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    public_readme: bool = False
    private: bool = False
    disabled: bool = False
    readers: set[str] = field(default_factory=set)

    @property
    def head(self) -> str:
        """The commit of "main"."""
        return self.refs["main"]

    def commit(self, changes: Mapping[str, Path | None], ref: str = "main", *, id: str | None = None) -> str:
        """Add a commit to a ref and return its id, 40 hexadecimal characters.

        `changes`: for each changed file its name in the repository and where its bytes are, or None to remove it. `id`: that of a commit
        on the real Hub which this one stands for; None: one that depends only on the files of the commit and of those before it.
        """
        parent = self.refs.get(ref, "")
        files = dict(self.commits[parent]) if parent else {}
        for name, path in changes.items():
            files.pop(name, None)
            if path is not None:
                files[name] = StoredFile(path)
        listing = [f"{name} {files[name].blob_id}" for name in sorted(files)]
        commit = id or hashlib.sha1("\n".join([self.kind, self.name, parent, *listing]).encode()).hexdigest()
        self.commits[commit] = {name: files[name] for name in sorted(files)}
        self.refs[ref] = commit
        return commit

    def replace(self, folder: Path, ref: str = "main", *, id: str | None = None) -> str:
        """Add a commit with the files of a folder and no others; return its id. `ref`, `id`: as for `commit`."""
        removed: dict[str, Path | None] = dict.fromkeys(self.commits[self.refs[ref]]) if ref in self.refs else {}
        return self.commit({**removed, **files_of(folder)}, ref, id=id)

    def forget(self, commit: str) -> None:
        """Make a commit vanish, as a rewritten history does. Refs to it vanish too, unless they are set anew."""
        del self.commits[commit]
        self.refs = {ref: found for ref, found in self.refs.items() if found != commit}

    def gate(self, readers: Collection[str] = (), *, public_readme: bool = False) -> None:
        """Let only these users have the files."""
        self.gated, self.readers, self.public_readme = True, set(readers), public_readme

    def resolve(self, revision: str) -> str | None:
        """The commit of a ref or of a commit's id; None if there is none."""
        return self.refs.get(revision) or (revision if revision in self.commits else None)


class Catalogue:
    """The repositories of a Hub, and its users by their tokens."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self.users = dict(users)
        self.repositories: dict[tuple[Kind, str], Repository] = {}
        self.moved: dict[tuple[Kind, str], str] = {}

    def add(self, kind: Kind, name: str, files: Path | Mapping[str, Path], ref: str = "main", *, id: str | None = None) -> Repository:
        """Add a repository with one commit: a folder's files, or files by name. A repository that is there gets another commit.

        `ref`, `id`: as for `Repository.commit`.
        """
        repository = self.repositories.setdefault((kind, name), Repository(kind, name))
        if isinstance(files, Path):
            repository.replace(files, ref, id=id)
        else:
            repository.commit(files, ref, id=id)
        return repository

    def repository(self, kind: Kind, name: str) -> Repository:
        """The repository of this name. Raises `KeyError` if there is none."""
        return self.repositories[kind, name]

    def move(self, kind: Kind, old: str, new: str) -> Repository:
        """Rename a repository. Requests for its old name are redirected, until another one takes that name."""
        repository = self.repositories.pop((kind, old))
        repository.name = new
        self.repositories[kind, new] = repository
        self.moved[kind, old] = new
        return repository
