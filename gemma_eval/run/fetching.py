"""What a run needs from the Hub: named, sized and checked before anything large is fetched, then fetched with progress."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gemma_eval.checkpoint.resolve import wanted_files
from gemma_eval.data.hub_source import HubSource
from gemma_eval.data.sources import Source
from gemma_eval.hub.connection import connection
from gemma_eval.hub.download import Wanted, check_room, fetch, gigabytes, merged
from gemma_eval.settings import RunConfig, ServerConfig

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Needed:
    """The files of data sets and of the model that a run reads from the Hub.

    `ranged`: bytes of further files, of which only the plain columns and the images of a few rows are fetched.
    """

    data: Sequence[Wanted]
    model: Sequence[Wanted]
    ranged: int = 0

    @property
    def all(self) -> list[Wanted]:
        """Both together."""
        return merged([*self.model, *self.data])

    @property
    def missing_size(self) -> int:
        """Bytes that are not in the cache yet."""
        return sum(one.missing_size for one in self.all)

    def summary(self) -> str:
        """One line: what is fetched, and what is in the cache."""
        parts = [_part("weights and tokenizer", self.model), _part("data", self.data)]
        if self.ranged:
            parts.append(f"and the rows that are drawn from image files of {gigabytes(self.ranged)}")
        return "from the Hub: " + "; ".join(part for part in parts if part)


def needed(config: RunConfig, source: Source, *, weights: bool = True, model: bool = True, data: bool = True) -> Needed:
    """What these settings read from the Hub. The model's gate is checked first, then those of the data; nothing large is fetched.

    Without `weights`, only what the model's tokenizer needs; without `model` or `data`, nothing of them. Raises `ConfigError` or
    `HubError` if the model cannot be had; what data cannot be had is said when it is read.
    """
    files = wanted_files(config, weights=weights and not isinstance(config.backend, ServerConfig)) if model else []
    reads = [read for task in config.tasks for read in task.reads()] if data else []
    if not isinstance(source, HubSource):
        return Needed([], files)
    return Needed(source.wanted(reads), files, source.ranged_size())


def fetch_needed(found: Needed, source: Source) -> None:
    """Say what is fetched, refuse what the disk has no room for, and fetch it. Errors of data are kept until it is read."""
    if not found.missing_size and not found.ranged:
        return
    log.warning("%s", found.summary())
    check_room(found.missing_size)
    with showing(found.missing_size) as show:
        failed = fetch(connection(), found.all, show)
    if isinstance(source, HubSource):
        source.note_failed(failed)
    for one in found.model:
        if error := failed.get(one.snapshot.repo):
            raise error


def _part(what: str, wanted: Sequence[Wanted]) -> str:
    missing, size = sum(one.missing_size for one in wanted), sum(one.size for one in wanted)
    repositories = len({one.snapshot.repo for one in wanted})
    if not size:
        return ""
    named = wanted[0].snapshot.repo if repositories == 1 else f"{repositories} repositories"
    cached = f", {gigabytes(size - missing)} in the cache" if size > missing else ""
    return f"{gigabytes(missing)} of {what} to fetch ({named}{cached})"


@contextmanager
def showing(total: int) -> Iterator[Callable[[int], None]]:
    """A function that shows how many of `total` bytes have come: as a bar in a terminal, and not at all in a log."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = TextColumn("fetching"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("fetching", total=total)
        yield lambda done: progress.update(task, completed=min(done, total))
