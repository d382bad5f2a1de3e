"""The rows of a JSON file, from its bytes. What is wrong with it is said with its line."""

from __future__ import annotations

import json
from typing import Any

ROWS_UNDER = "examples"  # the key of the rows in a JSON document that holds more than them
DEEPEST = 50  # lists and mappings inside one another; benchmarks have a handful


def parse_rows(content: bytes) -> list[dict[str, Any]]:
    """The rows of JSON lines, of a list of objects, or of a document with such a list under "examples". Raises `ValueError`."""
    text = _decoded(content)
    try:
        rows = _document(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f"row {number} is no object but {type(row).__name__}")
        if _is_deeper(row, DEEPEST):
            raise ValueError(f"row {number} is nested too deeply")
    return rows


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line}: {content[error.start : error.start + 1]!r} is not UTF-8") from error


def _document(text: str) -> list[Any]:
    """The entries of the document's list, or of its lines."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        if text.lstrip().startswith("["):
            raise ValueError(f"line {error.lineno}: {error.msg} at column {error.colno}") from error
        document = None
    if isinstance(document, dict):
        document = document.get(ROWS_UNDER)
    if isinstance(document, list):
        return document
    return [
        _of_line(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()
    ]  # a text may hold other ends of lines


def _of_line(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number}: {error.msg} at column {error.colno}") from error


def _is_deeper(value: dict[str, Any] | list[Any], levels: int) -> bool:
    """Whether there are more than `levels` lists and mappings inside one another."""
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(isinstance(one, dict | list) and _is_deeper(one, levels - 1) for one in inner)
