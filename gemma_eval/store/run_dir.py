"""The run directory: a documented, stable format that every report reads.

    config.yaml            resolved settings
    environment.json       versions, hardware, git commit, model fingerprint, dataset fingerprints
    manifest.json          the model, and per task: its settings, and id and request key of every sample, in order
    prompts/<task>.jsonl   every sample's prompt as it was sent, in pieces; what prompts share is written once
    images/<sha256>.jpg    thumbnails of the images in the prompts
    records/<task>.jsonl   one line per sample, appended as answers arrive
    usage.json             per task: tokens, seconds (`timed`: known for this task alone), and answers by the engine's method, so far
    memory.json            peak memory of a process in bytes, by place (host, cuda:0, ...)
    progress.json          while the run goes on: phase, samples, tokens and scores so far
    scores.json            per task and subset: values with intervals
    report.md              the rebuilt card
    processes/<rank>/      while several processes run it: records, usage and memory of each process but the main one

Records are only ever appended. A kill while writing leaves a torn last line, which the next append removes. Records are found by sample id
and request key. The key hashes everything that can change an answer, so stale records stay and are not counted. A record without scores
is an answer still to be scored: slow metrics run beside the model, and the scored record follows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeVar

from gemma_eval.errors import RunError
from gemma_eval.runtime.files import ESCAPED, replacing
from gemma_eval.store.documents import read_json, to_text
from gemma_eval.store.environment import Environment, read_environment
from gemma_eval.store.manifest import Manifest, read_manifest
from gemma_eval.store.records import Appender, SampleKey, by_key, placed, record_of_line, sound
from gemma_eval.store.scores import Scores, read_scores
from gemma_eval.types import Record

T = TypeVar("T")
log = logging.getLogger(__name__)


class RunDir:
    """Reads and writes one run directory."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._read: dict[str, tuple[tuple[int, int], Any]] = {}  # documents by file name, each with the stamp of the file that was read

    @classmethod
    def open(cls, path: Path | str) -> RunDir:
        """An existing run directory. Raises `RunError` if there is none at `path`."""
        run = cls(path)
        if not run.has_manifest:
            raise RunError(f"{path}: not a run directory (no manifest.json); name a folder that `gemma-eval run` wrote")
        return run

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    def part(self, rank: int) -> RunDir:
        """Where a process of this rank writes. The main one, of rank 0, writes here; any other in a directory of its own below."""
        return RunDir(self.path / "processes" / str(rank)) if rank else self

    def parts(self) -> list[RunDir]:
        """The directories of processes other than the main one, until they are merged."""
        return [RunDir(path) for path in sorted(self.path.glob("processes/*"))]

    @property
    def date(self) -> datetime:
        """When the run was last started, or when its settings were written if it does not say."""
        if date := self.environment.date:
            return datetime.fromisoformat(date)
        file = self.path / "config.yaml"
        return datetime.fromtimestamp((file if file.is_file() else self.path).stat().st_mtime, UTC)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Write to the run alone. Raises `RunError` if another process is writing to it.

        A file system without locks does not tell. Then the run goes on, with a warning.
        """
        import fcntl

        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunError(
                    f"{self.path}: another process is writing this run; wait for it, or choose another name with run=NAME"
                ) from error
            except OSError as error:
                log.warning("%s: this file system has no locks (%s); let no second process write this run", self.path, error.strerror)
            yield

    # -- documents ------------------------------------------------------------------------------------------

    @property
    def manifest(self) -> Manifest:
        """What the run asks. Raises `RunError` if there is no manifest, or it is damaged or newer than this program."""
        return self._document("manifest.json", lambda: read_manifest(self.path))

    @property
    def has_manifest(self) -> bool:
        """Whether the run was ever started."""
        return (self.path / "manifest.json").is_file()

    @property
    def scores(self) -> Scores:
        """What the run measured. Raises `RunError` if it has no scores yet, or they are damaged or newer than this program."""
        if not self.has_scores:
            raise RunError(f"{self.path}: no scores.json yet; finish it with the same `gemma-eval run` command")
        return self._document("scores.json", lambda: read_scores(self.path / "scores.json"))

    @property
    def has_scores(self) -> bool:
        """Whether the run was ever scored."""
        return (self.path / "scores.json").is_file()

    @property
    def environment(self) -> Environment:
        """What the run ran on; empty if the run kept no environment.json."""
        return self._document("environment.json", lambda: read_environment(self.path))

    def _document(self, name: str, read: Callable[[], T]) -> T:
        """A file's content, read once, and again when another file has taken its place."""
        file = self.path / name
        stamp = (file.stat().st_ino, file.stat().st_mtime_ns) if file.is_file() else (0, 0)
        if name not in self._read or self._read[name][0] != stamp:
            self._read[name] = stamp, read()
        found: T = self._read[name][1]
        return found

    # -- whole files ----------------------------------------------------------------------------------------

    def write_json(self, name: str, value: Any) -> None:
        """Replace a JSON file."""
        self.write_text(name, to_text(value, indent=1) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Replace a text file."""
        with self.replacing(name) as stream:
            stream.write(text)

    @contextmanager
    def replacing(self, name: str) -> Iterator[TextIO]:
        """Write a file's new content, which takes the old one's place at once. Neither a reader nor a kill ever sees half of it."""
        with replacing(self.path / name, errors=ESCAPED) as stream:
            yield stream

    def read_json(self, name: str, default: Any = None, mend: str = "delete the file and run the same command again") -> Any:
        """Content of a JSON file, or `default` if there is none. Raises `RunError`, with the way to `mend` it, if it is damaged."""
        file = self.path / name
        return read_json(file, mend) if file.exists() else default

    # -- records --------------------------------------------------------------------------------------------

    def keys(self, task: str) -> list[SampleKey]:
        """The samples of a task that the run asks, in order; none if it does not have the task."""
        found = self.manifest.tasks.get(task)
        return found.samples if found else []

    def records_file(self, task: str) -> Path:
        """Where a task's records are."""
        return self.path / "records" / f"{task}.jsonl"

    def found(self, task: str) -> dict[SampleKey, Record]:
        """Every whole record of a task, stale ones included, the last one of each key. Raises `RunError` for a damaged line."""
        with self._streams(task) as streams:
            return by_key(streams)

    def records(self, task: str) -> list[Record]:
        """The scored records of the samples that the run asks, in order. Samples without an answer or a score are left out."""
        return [record for record in self.answers(task) if record.scores]

    def answers(self, task: str) -> list[Record]:
        """The records of the samples that the run asks, in order, scored or not. Samples without an answer are left out."""
        found = self.found(task)
        return [found[entry] for entry in self.keys(task) if entry in found]

    @contextmanager
    def _streams(self, task: str) -> Iterator[list[BinaryIO]]:
        """The files that hold a task's records, those of parts last. Parts are opened first, so that a merge meanwhile loses none."""
        with ExitStack() as stack:
            streams: list[BinaryIO] = []
            for run in [*self.parts(), self]:
                with suppress(FileNotFoundError):
                    streams.insert(0, stack.enter_context(run.records_file(task).open("rb")))
            yield streams

    @contextmanager
    def reading(self, task: str) -> Iterator[Callable[[SampleKey], Record | None]]:
        """A function that reads one record of a task. Memory holds only places in the files."""
        with self._streams(task) as streams:
            places = {
                SampleKey(record.id, record.key): (stream, place) for stream in streams for place, record in placed(stream) if sound(record)
            }

            def record(entry: SampleKey) -> Record | None:
                if entry not in places:
                    return None
                stream, place = places[entry]
                stream.seek(place)
                return sound(record_of_line(stream.readline()))

            yield record

    def append(self, task: str) -> Appender:
        """Appends to a task's records."""
        return Appender(self.records_file(task))
