"""`records/<task>.jsonl`: one line a record, only ever appended. The last line of a sample and key wins."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self, TextIO

from gemma_eval.errors import RunError
from gemma_eval.types import GenerateResponse, Record, Response, ScoreResponse

ESCAPED = "backslashreplace"  # data sets hold halves of surrogate pairs; in a JSON string, a backslash escape writes them


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
    """Every whole record of these files, the last one of each key."""
    return {SampleKey(record.id, record.key): record for stream in streams for _, record in placed(stream)}


def placed(stream: BinaryIO) -> Iterator[tuple[int, Record]]:
    """Every whole record of a file, with the byte at which its line begins."""
    place = 0
    for number, line in enumerate(stream, 1):
        if not line.endswith(b"\n"):
            return  # a kill tore the line; the next append removes it
        try:
            yield place, record_from_json(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{stream.name}:{number}: damaged record ({error}); delete the line and run the same command again") from error
        place += len(line)


class Appender:
    """Appends records to one file. `write` returns once the operating system has the record, so a killed process loses none."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(file)
        self._stream: TextIO = file.open("a", encoding="utf-8", errors=ESCAPED)

    def write(self, record: Record) -> None:
        """Append one record."""
        self._stream.write(json.dumps(record_to_json(record), ensure_ascii=False) + "\n")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
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
    return asdict(record)


def record_from_json(value: dict[str, Any]) -> Record:
    """A record from JSON values. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
    return Record(**{**value, "response": _response(value["response"])})


def _response(value: dict[str, Any]) -> Response:
    kind = GenerateResponse if "texts" in value else ScoreResponse
    return kind(**{name: tuple(values) for name, values in value.items()})
