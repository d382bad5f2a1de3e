"""Each process of a run but the main one writes to a part of the run directory. Parts are merged into the run when all have ended."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gemma_eval.store.records import record_of_line, records_in
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.usage import merge_spent
from gemma_eval.types import Record


def merge_parts(directory: RunDir) -> None:
    """Move into a run what its other processes wrote. An interrupted merge can be repeated: no record comes twice.

    Raises `RunError` if one of the processes is still writing.
    """
    for part in directory.parts():
        with part.lock():
            for file in sorted(part.path.glob("records/*.jsonl")):
                _merge_records(directory, file)
            merge_spent(directory, part)
            shutil.rmtree(part.path)
    with suppress(OSError):  # it does not exist, or a network file system keeps names of open files in it
        (directory.path / "processes").rmdir()


def _merge_records(directory: RunDir, file: Path) -> None:
    known = records_in(directory.records_file(file.stem))
    with directory.append(file.stem) as appender:
        for entry, record in records_in(file).items():
            if known.get(entry) != record:
                appender.write(record)


class Arrivals:
    """Follows the scored records that other processes write while the run goes on."""

    def __init__(self, directory: RunDir) -> None:
        self._directory = directory
        self._read: dict[Path, int] = {}  # bytes of each file

    def new(self) -> Iterator[tuple[str, Record]]:
        """The records since the last call, each with the name of its task."""
        for part in self._directory.parts():
            for file in sorted(part.path.glob("records/*.jsonl")):
                yield from ((file.stem, record) for record in self._unread(file) if record.scores)

    def _unread(self, file: Path) -> Iterator[Record]:
        with file.open("rb") as stream:
            stream.seek(self._read.get(file, 0))
            for line in stream:
                if not line.endswith(b"\n"):
                    return  # the line is still being written
                self._read[file] = self._read.get(file, 0) + len(line)
                yield record_of_line(line)
