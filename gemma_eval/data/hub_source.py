"""The Hugging Face Hub as a source of rows: pinned commits, only the files that are read, and the same without the network."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from gemma_eval.data.changes import changes
from gemma_eval.data.dataset import DatasetRef, Read
from gemma_eval.data.files import Files, HubFiles, names_of
from gemma_eval.data.repository import load_table
from gemma_eval.data.table import Table
from gemma_eval.errors import DataError, HubAwayError, HubError
from gemma_eval.hub.connection import Connection, connection
from gemma_eval.hub.download import Wanted, check_access, merged
from gemma_eval.hub.lock import DataLock
from gemma_eval.hub.partial import PartialFile
from gemma_eval.hub.snapshot import Snapshot, cached_snapshot, open_snapshot

log = logging.getLogger(__name__)

WORKERS = 8  # repositories at once


class HubSource:
    """The Hub, through its cache.

    A repository is read at the revision that the settings name, else at the commit of the run's earlier start, else at that of data.lock,
    else at the one that the page pins, else at the newest. data.lock keeps the commit. With `update`, the newest is read unless the
    settings name a revision.
    """

    kind = "hub"

    def __init__(
        self, *, lock: DataLock | None = None, pinned: Mapping[str, str] | None = None, update: bool = False, way: Connection | None = None
    ) -> None:
        """`pinned`: by repository, the commits of the run's earlier start."""
        self._lock = lock or DataLock(None)
        self._pinned = pinned or {}
        self._update = update
        self._connection = way or connection()
        self._opened: dict[tuple[str, str | None], HubFiles | HubError] = {}
        self._before: dict[str, str] = {}  # with `update`, by repository, the commit that was pinned
        self._in_parts: set[tuple[str, str]] = set()  # files by repository and name that may be fetched in parts

    def table(self, ref: DatasetRef, split: str, samples: Path) -> Table:
        """The rows, from the cache or fetched now."""
        if ref.origin:
            raise DataError(f"{ref.repo}: not on the Hub. Get it at {ref.origin}, put it in FOLDER/{ref.repo}, and set data.root=FOLDER")
        found: dict[str, Files] = {}
        errors: dict[str, HubError] = {}
        for repo in ref.repos():
            try:
                found[repo] = self._files(repo, ref)
            except HubError as error:
                errors[repo] = error
        if not found or (errors and "{config}" not in ref.repo):
            raise DataError(str(next(iter(errors.values()))))
        table = load_table(ref, split, found, no_repository="; ".join({str(error) for error in errors.values()}))
        if self._update:
            self._say_what_changed(ref, table)
        return table

    def available(self, ref: DatasetRef, samples: Path) -> str:
        """Either "in cache", if all repositories are cached, "on the Hub", or "not on the Hub". Makes no request."""
        if ref.origin:
            return "not on the Hub"
        cached = (cached_snapshot(repo, "dataset", self._asked(repo, ref) or _page_commit(ref)) for repo in ref.repos())
        return "in cache" if all(snapshot and snapshot.folder.is_dir() for snapshot in cached) else "on the Hub"

    def refused(self, repo: str) -> str:
        """Why a repository cannot be had, as far as it was tried; "" if it can."""
        for (name, _), files in self._opened.items():
            error = files if isinstance(files, HubError) else files.failed
            if name == repo and error:
                return str(error)
        return ""

    # -- what is fetched ahead ------------------------------------------------------------------------------

    def wanted(self, reads: Iterable[Read], *, whole: bool = False) -> list[Wanted]:
        """The files that these reads need whole, of all repositories that can be had; what cannot is said when it is read.

        Nothing is fetched but listings. Gates are checked. `whole`: also the files that would be fetched in part.
        """
        reads = [read for read in reads if not read.ref.origin]
        repos = {(repo, read.ref.revision): (repo, read.ref) for read in reads for repo in read.ref.repos()}
        with ThreadPoolExecutor(WORKERS, "open") as pool:
            list(pool.map(self._prepare, repos.values()))
        found = merged(one for read in reads for one in self._of_read(read, whole))
        with ThreadPoolExecutor(WORKERS, "open") as pool:
            list(pool.map(self._check_access, found))
        return [one for one in found if whole or not self._failed(one.snapshot.repo)]

    def _prepare(self, one: tuple[str, DatasetRef]) -> None:
        """Open a repository, and read which files hold what."""
        files = self._open(*one)
        if isinstance(files, HubFiles):
            with suppress(DataError):  # said when the rows are read
                try:
                    _ = files.layout
                except HubError as error:
                    files.failed = error

    def parts(self) -> list[PartialFile]:
        """The files that are fetched in part, as far as they are not here whole."""
        opened = {repo: files for (repo, _), files in self._opened.items() if isinstance(files, HubFiles)}
        found = (opened[repo].part(name) for repo, name in sorted(self._in_parts) if repo in opened)
        return [part for part in found if isinstance(part, PartialFile)]

    def ranged_size(self) -> int:
        """Bytes of the files that are fetched in part, of which nothing is here yet."""
        return sum(part.size for part in self.parts() if not part.have())

    def note_failed(self, failed: Mapping[str, HubError]) -> None:
        """Remember, by repository, why its files could not be fetched."""
        for files in self._opened.values():
            if isinstance(files, HubFiles) and files.snapshot.repo in failed:
                files.failed = failed[files.snapshot.repo]

    def _of_read(self, read: Read, whole: bool) -> Iterator[Wanted]:
        """The files of a split, part by part, without those that are fetched in ranges."""
        for _, repo, config in read.ref.parts():
            files = self._opened.get((repo, read.ref.revision))
            if not isinstance(files, HubFiles) or files.failed:
                continue
            for one in [config, read.ref.pivot] if read.ref.pivot else [config]:
                with suppress(DataError, HubError):
                    names = names_of(files, one, read.split, read.ref.files)
                    if read.few:
                        self._in_parts |= {(repo, name) for name in names}
                    yield Wanted(files.snapshot, tuple(name for name in names if whole or not (read.few and files.may_be_partial(name))))

    def _check_access(self, wanted: Wanted) -> None:
        try:
            check_access(self._connection, wanted)
        except HubError as error:
            self.note_failed({wanted.snapshot.repo: error})

    def _failed(self, repo: str) -> bool:
        return any(isinstance(files, HubFiles) and files.failed and files.snapshot.repo == repo for files in self._opened.values())

    def _say_what_changed(self, ref: DatasetRef, new: Table) -> None:
        """Compare the newest rows with those that were pinned, as far as the cache still has them."""
        before = {repo: commit for repo in ref.repos() if (commit := self._before.get(repo)) and commit != new.commits.get(repo)}
        if not before:
            return
        kept: dict[str, Files] = {}
        for repo in ref.repos():
            snapshot = cached_snapshot(repo, "dataset", before.get(repo) or new.commits.get(repo))
            if snapshot is not None:
                files = HubFiles(self._connection, snapshot, in_parts=lambda _: False)
                files.failed = HubError(f"{repo}: not in the cache")
                kept[repo] = files
        moved = ", ".join(f"{repo} moved from {commit[:12]} to {new.commits[repo][:12]}" for repo, commit in before.items())
        try:
            said = str(changes(load_table(ref, new.split, kept, "not in the cache"), new))
        except (DataError, HubError):
            said = "the rows of the old commit are not in the cache, so what changed is not known"
        log.warning("%s: split %s: %s", moved, new.split, said)

    # -- commits --------------------------------------------------------------------------------------------

    def _files(self, repo: str, ref: DatasetRef) -> HubFiles:
        found = self._open(repo, ref)
        if isinstance(found, HubError):
            raise found
        return found

    def _open(self, repo: str, ref: DatasetRef) -> HubFiles | HubError:
        """The repository's files, opened once, or why they cannot be had."""
        key = repo, ref.revision
        if key not in self._opened:
            try:
                if self._update and (pinned := self._pinned.get(repo) or self._lock.commit(repo) or _page_commit(ref)):
                    self._before[repo] = pinned
                snapshot = self._snapshot(repo, ref)
                if not ref.revision:
                    self._lock.pin(repo, snapshot.commit)
                self._opened[key] = HubFiles(self._connection, snapshot, in_parts=lambda name: (repo, name) in self._in_parts)
            except HubError as error:
                self._opened[key] = error
        return self._opened[key]

    def _snapshot(self, repo: str, ref: DatasetRef) -> Snapshot:
        asked, pinned = self._asked(repo, ref), _page_commit(ref)
        if asked or self._update or not pinned:
            return open_snapshot(self._connection, repo, "dataset", asked)
        try:
            return open_snapshot(self._connection, repo, "dataset", pinned)
        except HubError as error:
            away = isinstance(error, HubAwayError)
            other = cached_snapshot(repo, "dataset") if away else open_snapshot(self._connection, repo, "dataset")
            if other is None:
                raise
            where, which = ("in the cache, and the Hub is away", "cached") if away else ("on the Hub", "newest")
            log.warning("%s: commit %s, which the page pins, is not %s; the %s one is read: %s", repo, pinned, where, which, other.commit)
            return other

    def _asked(self, repo: str, ref: DatasetRef) -> str | None:
        """What must be read: the revision in the settings, or the commit of an earlier start or of data.lock; None if neither says."""
        if ref.revision or self._update:
            return ref.revision
        return self._pinned.get(repo) or self._lock.commit(repo)


def _page_commit(ref: DatasetRef) -> str | None:
    """The commit that the page pins. Where each configuration is a repository of its own, it pins none."""
    return ref.pinned if ref.pinned and "{config}" not in ref.repo else None
