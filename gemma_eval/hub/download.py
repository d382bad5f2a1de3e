"""Fetches files of snapshots into the Hub's cache: what is there already is not fetched, and what lacks room is refused first."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from gemma_eval.errors import HubAwayError, HubError
from gemma_eval.hub.connection import Connection
from gemma_eval.hub.refusals import cache_folder
from gemma_eval.hub.snapshot import Snapshot, repository_cache

WORKERS = 8  # files at once
SHOWN_EVERY = 0.5  # seconds


@dataclass(frozen=True)
class Wanted:
    """Files of a snapshot that are wanted on disk, by path in the repository."""

    snapshot: Snapshot
    names: tuple[str, ...]

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Those that are not in the cache."""
        return tuple(name for name in self.names if self.snapshot.local(name) is None)

    @property
    def size(self) -> int:
        """Bytes of all of them, as far as their sizes are known."""
        return self._bytes(self.names)

    @property
    def missing_size(self) -> int:
        """Bytes of those that are not in the cache."""
        return self._bytes(self.missing)

    def _bytes(self, names: Iterable[str]) -> int:
        return sum(self.snapshot.files[name].size for name in names if name in self.snapshot.files)


def check_access(connection: Connection, wanted: Wanted) -> None:
    """Raise `HubError` if the repository is gated and the user may not read it. Asks only where something is missing."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    snapshot = wanted.snapshot
    if snapshot.gated and wanted.missing:
        url = hf_hub_url(snapshot.repo, wanted.missing[0], repo_type=snapshot.kind, revision=snapshot.commit)
        connection.ask(lambda: get_hf_file_metadata(url), snapshot.repo, snapshot.kind, snapshot.commit)


def check_room(size: int) -> None:
    """Raise `HubError` if the cache's disk has less room than `size` bytes."""
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if size > free:
        raise HubError(
            f"{cache_folder()}: {gigabytes(size)} are to be fetched, and {gigabytes(free)} are free: free some, set HF_HOME to a folder "
            "on a larger disk, or lower limit="
        )


def fetch(connection: Connection, wanted: Sequence[Wanted], show: Callable[[int], None] = lambda _: None) -> dict[str, HubError]:
    """Fetch what is missing, several files at once. Returns, by repository, why one could not be had whole; the others are.

    `show` is called now and then with the bytes that came so far.
    """
    failed: dict[str, HubError] = {}
    began = time.time()
    done = 0
    with ThreadPoolExecutor(WORKERS, "fetch") as pool:
        waiting: dict[Future[None], tuple[Snapshot, str]] = {
            pool.submit(_fetch_one, connection, one.snapshot, name): (one.snapshot, name) for one in wanted for name in one.missing
        }
        try:
            while waiting:
                finished, _ = wait(waiting, timeout=SHOWN_EVERY, return_when=FIRST_COMPLETED)
                for future in finished:
                    snapshot, name = waiting.pop(future)
                    if isinstance(error := future.exception(), HubError):
                        failed.setdefault(snapshot.repo, error)
                    elif error is not None:
                        raise error
                    else:
                        done += snapshot.files[name].size if name in snapshot.files else 0
                show(done + _underway(waiting.values(), began))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def _fetch_one(connection: Connection, snapshot: Snapshot, name: str) -> None:
    """Fetch one file whole. Raises `HubError` if it cannot be had, or is not as long as the Hub says."""
    from huggingface_hub import hf_hub_download

    _drop_damaged(snapshot, name)
    download = partial(hf_hub_download, snapshot.repo, name, repo_type=snapshot.kind, revision=snapshot.commit)
    try:
        connection.ask(download, snapshot.repo, snapshot.kind, snapshot.commit, retries=True)
    except HubAwayError as error:
        raise HubAwayError(f"{error}; {name} is not in the cache") from error
    if snapshot.local(name) is None:
        there = snapshot.folder / name
        size = there.stat().st_size if there.is_file() else 0
        _drop_damaged(snapshot, name)
        raise HubError(
            f"{snapshot.repo}: {name} came truncated ({size:,} of {snapshot.files[name].size:,} bytes): run the same command again"
        )


def _drop_damaged(snapshot: Snapshot, name: str) -> None:
    """Remove a file that has another size than on the Hub, which the Hub's client would take for good."""
    there = snapshot.folder / name
    if (there.is_symlink() or there.exists()) and snapshot.local(name) is None:
        there.resolve().unlink(missing_ok=True)
        there.unlink(missing_ok=True)


def _underway(files: Iterable[tuple[Snapshot, str]], since: float) -> int:
    """Bytes of files that are still coming."""
    folders = {repository_cache(snapshot.repo, snapshot.kind) / "blobs" for snapshot, _ in files}
    return sum(_size(part, since) for folder in folders for part in folder.glob("*.incomplete"))


def _size(file: Path, since: float) -> int:
    with suppress(FileNotFoundError):  # it was finished meanwhile
        found = file.stat()
        return found.st_size if found.st_mtime >= since else 0
    return 0


def gigabytes(size: float) -> str:
    """A size for people: "0.49 MB", "179 MB", "8.6 GB"."""
    for unit, step in (("GB", 1e9), ("MB", 1e6)):
        if size >= step:
            return f"{size / step:,.1f} {unit}" if size < 100 * step else f"{size / step:,.0f} {unit}"
    return f"{size / 1e3:,.0f} kB"


def merged(wanted: Iterable[Wanted]) -> list[Wanted]:
    """One entry for each snapshot, with the files of all."""
    names: dict[tuple[str, str, str], tuple[Snapshot, dict[str, None]]] = {}
    for one in wanted:
        snapshot = one.snapshot
        names.setdefault((snapshot.kind, snapshot.repo, snapshot.commit), (snapshot, {}))[1].update(dict.fromkeys(one.names))
    return [Wanted(snapshot, tuple(found)) for snapshot, found in names.values()]
