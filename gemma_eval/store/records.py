"""Append-only records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TextIO

from gemma_eval.errors import RunError
from gemma_eval.types import GenerateResponse, Record, Response, ScoreResponse

ESCAPED = "backslashreplace"  # halves of surrogate pairs, which data sets hold: in a JSON string, this is their own escape


@dataclass(frozen=True)
class SampleKey:
    """A sample of the manifest."""

    id: str
    key: str


def records_in(file: Path) -> dict[SampleKey, Record]:
    """Every whole record of one file; the last one wins."""
    if not file.is_file():
        return {}
    with file.open("rb") as stream:
        return _by_entry([stream])


def _by_entry(streams: Iterable[BinaryIO]) -> dict[SampleKey, Record]:
    """Every whole record of these files; the last one wins."""
    return {SampleKey(record.id, record.key): record for stream in streams for _, record in _placed(stream)}


def _placed(stream: BinaryIO) -> Iterator[tuple[int, Record]]:
    """Every whole record of a file, and where in the file it begins."""
    place = 0
    for number, line in enumerate(stream, 1):
        if not line.endswith(b"\n"):
            return  # torn by a kill; `append` cuts it off
        try:
            yield place, record_from_json(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{stream.name}:{number}: damaged record ({error}); delete the line and run the same command again") from error
        place += len(line)


class Appender:
    """Appends records to one file; each is in the system's hands when `write` returns, so a killed process loses none."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(file)
        self._stream: TextIO = file.open("a", encoding="utf-8", errors=ESCAPED)

    def write(self, record: Record) -> None:
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
    return asdict(record)


def record_from_json(value: dict[str, Any]) -> Record:
    return Record(**{**value, "response": _response(value["response"])})


def _response(value: dict[str, Any]) -> Response:
    kind = GenerateResponse if "texts" in value else ScoreResponse
    return kind(**{name: tuple(values) for name, values in value.items()})
