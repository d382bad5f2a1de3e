"""A file that is on disk in part: the ranges that were wanted so far, in a sparse file of the whole length.

A reader that knows where its data lie, as a parquet reader does, asks for ranges and then reads the file as if it were whole. What was
fetched stays, so a later start reads the same ranges without the Hub.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from filelock import FileLock

from gemma_eval.errors import HubAwayError, HubError
from gemma_eval.hub.connection import Connection, connection, get
from gemma_eval.hub.snapshot import Snapshot, kept_folder
from gemma_eval.runtime.files import replace_text

Range: TypeAlias = tuple[int, int]
"""First byte, and the byte after the last."""

GAP = 1 << 17  # bytes between two ranges up to which one request for both is cheaper
PIECE = 32 << 20  # bytes of one request at most, so that a lost connection costs little
WORKERS = 4  # requests at once, of one file


class PartialFile:
    """A file of a snapshot, in ranges. `path` is the sparse file: read it only where `ensure` has been."""

    def __init__(self, connection: Connection, snapshot: Snapshot, name: str) -> None:
        self._connection = connection
        self.snapshot = snapshot
        self.name = name
        self.size = snapshot.files[name].size
        self.path = kept_folder(snapshot.repo, snapshot.kind) / "parts" / snapshot.commit / name
        self._index = self.path.with_name(f"{self.path.name}.ranges.json")

    def ensure(self, ranges: Iterable[Range]) -> None:
        """Fetch what is missing of these ranges. Raises `HubError` if it cannot be had."""
        wanted = joined(ranges, GAP)
        if not without(wanted, self.have()):
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            missing = without(wanted, self.have())
            self._create()
            pieces = [piece for one in missing for piece in _pieces(one)]
            with ThreadPoolExecutor(WORKERS, "fetch") as pool:
                for piece in pool.map(self._fetch, pieces):
                    self._note([piece])  # at once, so that what has come is not lost with the rest

    def have(self) -> list[Range]:
        """The ranges that are here. A damaged index counts as none."""
        try:
            kept = json.loads(self._index.read_text(encoding="utf-8"))
            return [(int(start), int(end)) for start, end in kept["have"]] if kept["size"] == self.size and self.path.is_file() else []
        except (OSError, ValueError, KeyError, TypeError):
            return []

    @classmethod
    def adopt(cls, snapshot: Snapshot, name: str, source: Path, ranges: Sequence[Range]) -> None:
        """Take over ranges of a file that is elsewhere in part."""
        part = cls(connection(), snapshot, name)
        missing = without(joined(ranges), part.have())
        part._create()
        with source.open("rb") as stream, part.path.open("r+b") as copy:
            for start, end in missing:
                stream.seek(start)
                copy.seek(start)
                copy.write(stream.read(end - start))
        part._note(missing)

    def _create(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            with self.path.open("wb") as stream:
                stream.truncate(self.size)

    def _note(self, ranges: Sequence[Range]) -> None:
        replace_text(self._index, json.dumps({"size": self.size, "have": joined([*self.have(), *ranges])}))

    @property
    def bytes_here(self) -> int:
        """How much of the file is here."""
        return sum(end - start for start, end in self.have())

    def missing_bytes(self, ranges: Iterable[Range]) -> int:
        """How much `ensure` would fetch."""
        return sum(end - start for start, end in without(joined(ranges, GAP), self.have()))

    def _fetch(self, wanted: Range) -> Range:
        snapshot = self.snapshot
        try:
            data = self._connection.ask(lambda: self._request(wanted), snapshot.repo, snapshot.kind, snapshot.commit)
        except HubAwayError as error:
            raise HubAwayError(
                f"{error}, and the cache has {self.name} only in part, for the rows of another limit or seed: connect once, or use those"
            ) from error
        with self.path.open("r+b") as stream:
            stream.seek(wanted[0])
            stream.write(data)
        return wanted

    def _request(self, wanted: Range) -> bytes:
        from huggingface_hub.utils._http import hf_raise_for_status

        start, end = wanted
        response = self._get(start, end)
        if response.status_code == 403:  # the address was signed for a limited time
            self.__dict__.pop("_address", None)
            response = self._get(start, end)
        hf_raise_for_status(response)
        data: bytes = response.content
        if response.status_code != 206 or len(data) != end - start:
            raise HubError(
                f"{self.snapshot.repo}: asked for {end - start:,} bytes of {self.name} and got {len(data):,} with status "
                f"{response.status_code}: run without limit=, which fetches whole files"
            )
        return data

    def _get(self, start: int, end: int) -> Any:
        """The server's response to a request for a range."""
        return get(self._address, {"Range": f"bytes={start}-{end - 1}"})

    @cached_property
    def _address(self) -> str:
        """Where the bytes lie: for a large file, a signed address of the Hub's content network."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        snapshot = self.snapshot
        url = hf_hub_url(snapshot.repo, self.name, repo_type=snapshot.kind, revision=snapshot.commit)
        return str(get_hf_file_metadata(url).location)


def joined(ranges: Iterable[Range], gap: int = 0) -> list[Range]:
    """The same bytes in as few ranges as can be, in order; ranges at most `gap` bytes apart become one."""
    found: list[Range] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1] + gap:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def without(wanted: Sequence[Range], have: Sequence[Range]) -> list[Range]:
    """What of `wanted` is not in `have`. Both are in order, and their ranges lie apart."""
    missing: list[Range] = []
    for start, end in wanted:
        inside = [(max(a, start), min(b, end)) for a, b in have if a < end and b > start]
        edges = [(start, start), *inside, (end, end)]
        missing += [(one[1], other[0]) for one, other in pairwise(edges) if one[1] < other[0]]
    return missing


def _pieces(one: Range) -> list[Range]:
    return [(start, min(start + PIECE, one[1])) for start in range(one[0], one[1], PIECE)]
