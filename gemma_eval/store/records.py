"""`records/<task>.jsonl`: one line a record, only ever appended. The last line of a sample and key wins.

A record counts if its numbers are finite. An answer with a log-probability that is not, as older versions stored them, counts as missing:
the next start of the run asks it again. Scores that are not finite count as missing too, and the answer is scored again.
"""

from __future__ import annotations

import json
import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self, TextIO

from pydantic import ConfigDict, TypeAdapter, ValidationError

from gemma_eval.errors import RunError
from gemma_eval.runtime.disk import naming
from gemma_eval.runtime.files import ESCAPED
from gemma_eval.store.documents import first_fault, to_text, without_nan
from gemma_eval.types import GenerateResponse, ItemScore, Record, ScoreResponse

log = logging.getLogger(__name__)

MEND = "delete the line and run the same command again"


class SampleKey(NamedTuple):
    """Which answer is meant: the sample's id, and the key of the request that asks it."""

    id: str
    key: str


def records_in(file: Path) -> dict[SampleKey, Record]:
    """Every whole record of one file, the last one of each key; none if there is no file. Raises `RunError` for a damaged line."""
    if not file.is_file():
        return {}
    with file.open("rb") as stream:
        return by_key([stream])


def by_key(streams: Iterable[BinaryIO]) -> dict[SampleKey, Record]:
    """Every whole record of these files, the last one of each key. Answers and scores that do not count are left out, with a warning."""
    found: dict[SampleKey, Record] = {}
    refused: dict[str, set[SampleKey]] = defaultdict(set)  # by file
    for stream in streams:
        for _, record in placed(stream):
            key, counted = SampleKey(record.id, record.key), sound(record)
            if counted:
                found[key] = counted
            if counted is not record:
                refused[stream.name].add(key)
    for file, keys in refused.items():
        _warn(file, "answers", {key for key in keys if key not in found}, "the same `gemma-eval run` command asks them again")
        _warn(file, "scores", {key for key in keys if key in found and not found[key].scores}, "`gemma-eval rescore` makes them anew")
    return found


def _warn(file: str, what: str, keys: set[SampleKey], mend: str) -> None:
    if keys:
        log.warning("%s: %d %s are not finite numbers (sample %s) and count as missing; %s", file, len(keys), what, min(keys).id, mend)


def sound(record: Record) -> Record | None:
    """The record as it counts: without scores that are not finite numbers; None if its answer itself holds such a number."""
    if isinstance(record.response, ScoreResponse) and not all(map(math.isfinite, record.response.logprobs)):
        return None
    return record if finite(record.scores) else replace(record, scores={})


def finite(scores: Mapping[str, ItemScore]) -> bool:
    """Whether every score is a finite number. Counts of a corpus metric always are."""
    return all(isinstance(score, list) or math.isfinite(score) for score in scores.values())


def placed(stream: BinaryIO) -> Iterator[tuple[int, Record]]:
    """Every whole record of a file, with the byte at which its line begins."""
    place = 0
    for number, line in enumerate(stream, 1):
        if not line.endswith(b"\n"):
            return  # a kill tore the line; the next append removes it
        try:
            yield place, record_of_line(line)
        except ValueError as error:
            raise RunError(f"{stream.name}:{number}: damaged record ({error}); {MEND}") from error
        place += len(line)


class Appender:
    """Appends records to one file. `write` returns once the operating system has the record, so a killed process loses none."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(file)
        self._stream: TextIO = file.open("a", encoding="utf-8", errors=ESCAPED)

    def write(self, record: Record) -> None:
        """Append one record. Raises `OSError`, naming the file, if the disk is full."""
        with naming(self._file):
            self._stream.write(to_text(record_to_json(record)) + "\n")
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with naming(self._file):
            self._stream.close()


def _cut_torn_line(file: Path) -> None:
    if not file.is_file():
        return
    with file.open("rb+") as stream:
        content = stream.read()
        if content and not content.endswith(b"\n"):
            stream.truncate(content.rfind(b"\n") + 1)


def record_to_json(record: Record) -> dict[str, Any]:
    """A record as JSON values."""
    return asdict(_with_null(record))


def _with_null(record: Record) -> Record:
    """The record with null for the numbers of its data set that are not finite, such as empty cells of a table."""
    return replace(record, target=without_nan(record.target), fields=without_nan(record.fields))


@dataclass(frozen=True)
class _Line:
    """A record as its line has it."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    id: str
    subset: str
    cluster: str
    prompt_sha256: str
    key: str
    response: ScoreResponse | GenerateResponse
    target: Any
    scores: dict[str, float | list[int]]
    extracted: str | None = ""
    dropped_shots: int = 0
    fields: dict[str, Any] = field(default_factory=dict)


_LINE = TypeAdapter(_Line)


def record_of_line(line: bytes) -> Record:
    """The record on one line of a file. Raises `ValueError` if there is none. Numbers that are not finite are read: see `sound`."""
    try:
        return record_from_json(json.loads(line))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def record_from_json(value: Any) -> Record:
    """A record from JSON values. Raises `ValueError`, naming the field, for anything else."""
    if isinstance(value, dict) and isinstance(value.get("schema"), int):
        raise ValueError(f"it has schema {value['schema']}, which this version of gemma_eval does not read; use a newer version")
    try:
        record = _with_null(Record(**vars(_LINE.validate_python(value))))
    except ValidationError as error:
        raise ValueError(first_fault(error)) from error
    if len({len(column) for column in vars(record.response).values()}) > 1:
        raise ValueError("response: its lists differ in length")
    return record
