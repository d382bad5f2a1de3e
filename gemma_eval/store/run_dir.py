"""The run directory: a documented, stable format that every report reads.

    config.yaml            resolved settings
    environment.json       versions, hardware, git commit, model fingerprint, dataset fingerprints
    manifest.json          per task: its settings, and id and request key of every sample, in order
    prompts/<task>.jsonl   every sample's prompt as it was sent, in pieces; what prompts share is written once
    images/<sha256>.jpg    thumbnails of the pictures in the prompts
    records/<task>.jsonl   one line per sample, appended as answers arrive
    usage.json             per task: tokens, seconds, and how many answers the engine gave by which method, so far
    memory.json            most bytes that a process had in use at any time, by place (host, cuda:0, ...)
    progress.json          while the run goes on: samples, rates and scores so far
    scores.json            per task and subset: values with intervals
    report.md              the rebuilt card
    processes/<rank>/      while several processes run it: records, usage and memory of each other than the main one

Records are only ever appended. A torn last line (the process was killed while writing) is cut off before the next append. Records
are found by sample id and request key, which hashes everything that can change an answer; stale ones stay and are not counted. A record
without scores is an answer still to be scored: slow metrics run beside the model, and the scored record follows later.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from gemma_eval.errors import RunError
from gemma_eval.store.records import ESCAPED, Appender, SampleKey, _by_entry, _placed, record_from_json
from gemma_eval.types import Record

SCHEMA = 1


class RunDir:
    """Reads and writes one run directory."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._parsed: tuple[Any, dict[str, list[SampleKey]]] = (None, {})  # the manifest, and which file it was

    @classmethod
    def open(cls, path: Path | str) -> RunDir:
        """An existing run directory, for reading. Raises `RunError` if it is not one."""
        run = cls(path)
        if not (run.path / "manifest.json").is_file():
            raise RunError(f"{path}: not a run directory (no manifest.json); name a folder that `gemma-eval run` wrote")
        return run

    @property
    def name(self) -> str:
        return self.path.resolve().name

    def part(self, rank: int) -> RunDir:
        """Where a process of the run writes: the main one, of rank 0, here, any other in a directory of its own below."""
        return RunDir(self.path / "processes" / str(rank)) if rank else self

    def parts(self) -> list[RunDir]:
        """What processes other than the main one have written, until it is merged."""
        return [RunDir(path) for path in sorted(self.path.glob("processes/*"))]

    @property
    def date(self) -> datetime:
        """When the run was last started; of a run that does not say: when its settings were written."""
        if date := self.read_json("environment.json", {}).get("date"):
            return datetime.fromisoformat(date)
        file = self.path / "config.yaml"
        return datetime.fromtimestamp((file if file.is_file() else self.path).stat().st_mtime, UTC)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Exclusive use while a run writes. Raises `RunError` if another process has it."""
        import fcntl

        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(
                    f"{self.path}: another process is writing this run; wait for it, or choose another name with run=NAME"
                ) from error
            yield

    # -- whole files ----------------------------------------------------------------------------------------

    def write_json(self, name: str, value: Any) -> None:
        self.write_text(name, json.dumps(value, ensure_ascii=False, indent=1) + "\n")

    def write_text(self, name: str, text: str) -> None:
        with self.replacing(name) as stream:
            stream.write(text)

    @contextmanager
    def replacing(self, name: str) -> Iterator[TextIO]:
        """A new content for a file, put in its place at once: a reader, or a kill, never sees half of it."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors=ESCAPED) as stream:
                yield stream
            Path(scratch).chmod(0o644)
            Path(scratch).replace(file)
        finally:
            Path(scratch).unlink(missing_ok=True)

    def scores(self) -> dict[str, Any]:
        """Content of scores.json. Raises `RunError` if the run has none yet."""
        scores = self.read_json("scores.json")
        if scores is None:
            raise RunError(f"{self.path}: no scores.json yet; finish it with the same `gemma-eval run` command")
        return scores  # type: ignore[no-any-return]

    def read_json(self, name: str, default: Any = None) -> Any:
        """Content of a JSON file, or `default` if there is none. Raises `RunError` if it is damaged."""
        file = self.path / name
        if not file.is_file():
            return default
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise RunError(f"{file}: not valid JSON ({error}); delete the file and run the same command again") from error

    # -- records --------------------------------------------------------------------------------------------

    def manifest(self, task: str) -> list[SampleKey]:
        return self._manifest().get(task, [])

    def tasks(self) -> list[str]:
        return list(self._manifest())

    def _manifest(self) -> dict[str, list[SampleKey]]:
        """Parsed once, and again when another manifest has taken its place."""
        file = self.path / "manifest.json"
        stamp = (file.stat().st_ino, file.stat().st_mtime_ns) if file.is_file() else None
        if stamp != self._parsed[0]:
            tasks = self.read_json("manifest.json", {"tasks": {}})["tasks"]
            self._parsed = stamp, {name: [SampleKey(*entry) for entry in task["samples"]] for name, task in tasks.items()}
        return self._parsed[1]

    def records_file(self, task: str) -> Path:
        return self.path / "records" / f"{task}.jsonl"

    def found(self, task: str) -> dict[SampleKey, Record]:
        """Every whole record of a task, stale ones too, by sample id and request key; the last one wins."""
        with self._streams(task) as streams:
            return _by_entry(streams)

    def records(self, task: str) -> list[Record]:
        """The scored records of the manifest's samples, in its order; samples not answered or scored yet are left out."""
        return [record for record in self.answers(task) if record.scores]

    def answers(self, task: str) -> list[Record]:
        """Likewise, with those that have no scores yet."""
        found = self.found(task)
        return [found[entry] for entry in self.manifest(task) if entry in found]

    @contextmanager
    def _streams(self, task: str) -> Iterator[list[BinaryIO]]:
        """The files that hold a task's records, those of parts last. These are opened first: if they are merged meanwhile, none is lost."""
        with ExitStack() as stack:
            streams: list[BinaryIO] = []
            for run in [*self.parts(), self]:
                with suppress(FileNotFoundError):
                    streams.insert(0, stack.enter_context(run.records_file(task).open("rb")))
            yield streams

    @contextmanager
    def reading(self, task: str) -> Iterator[Callable[[SampleKey], Record | None]]:
        """Looks up a task's records one by one, for tasks whose records should not stand in memory together."""
        with self._streams(task) as streams:
            places = {SampleKey(record.id, record.key): (stream, place) for stream in streams for place, record in _placed(stream)}

            def record(entry: SampleKey) -> Record | None:
                if entry not in places:
                    return None
                stream, place = places[entry]
                stream.seek(place)
                return record_from_json(json.loads(stream.readline()))

            yield record

    def append(self, task: str) -> Appender:
        return Appender(self.records_file(task))
