"""Reading the JSON files of a run: typed, versioned, and with one clear error for a file that is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gemma_eval.errors import RunError

T = TypeVar("T")


def read_json(file: Path, mend: str) -> Any:
    """The content of a JSON file. Raises `RunError`, naming the file and how to `mend` it, if it is not JSON or cannot be read."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{file}: cannot be read as JSON ({error}); {mend}") from error


def schema_of(value: Any, file: Path, newest: int, mend: str) -> int:
    """The version that a document says it has. Raises `RunError` if it says none, or one newer than this program knows."""
    schema = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise RunError(f"{file}: says no schema, so its content cannot be trusted; {mend}")
    if schema > newest:
        raise RunError(f"{file}: has schema {schema}, and this version of gemma_eval reads up to {newest}; use a newer version")
    return schema


def validated(adapter: TypeAdapter[T], value: Any, file: Path, mend: str) -> T:
    """The document as a typed value. Raises `RunError`, naming the file and the first wrong field."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the document"
        raise RunError(f"{file}: damaged: {field}: {first['msg']}; {mend}") from error
