"""JSON files of a run: typed, versioned, and with one clear error for a file that is damaged.

They are JSON by the letter. It has no NaN and no infinity, so a file that holds one is damaged, and none is ever written.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import TypeAdapter, ValidationError

from gemma_eval.errors import RunError

T = TypeVar("T")


def to_text(value: Any, *, indent: int | None = None, compact: bool = False) -> str:
    """JSON text. Raises `ValueError` for a number that is not finite; see `without_nan`."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=(",", ":") if compact else None)


def without_nan(value: Any) -> Any:
    """The value with null for each number that is not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def parsed(text: str | bytes) -> Any:
    """The value of JSON text. Raises `ValueError` for anything else, NaN, infinities and bottomless nesting included."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number of JSON")


def _finite(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _refuse(number)


def read_json(file: Path, mend: str) -> Any:
    """The content of a JSON file. Raises `RunError`, naming the file and how to `mend` it, if it is not JSON or cannot be read."""
    try:
        return parsed(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{file}: cannot be read as JSON ({error}); {mend}") from error


def refuse_newer(value: Any, file: Path, newest: int) -> None:
    """Raise `RunError` if a document of a kind that had no schema at first says one that is newer than this program knows."""
    schema = value.get("schema") if isinstance(value, dict) else None
    if isinstance(schema, int) and schema > newest:
        raise RunError(f"{file}: has schema {schema}, and this version of gemma_eval reads up to {newest}; use a newer version")


def schema_of(value: Any, file: Path, newest: int, mend: str) -> int:
    """The version that a document says it has. Raises `RunError` if it says none, or one newer than this program knows."""
    schema = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise RunError(f"{file}: says no schema, so its content cannot be trusted; {mend}")
    refuse_newer(value, file, newest)
    return schema


def validated(adapter: TypeAdapter[T], value: Any, file: Path, mend: str) -> T:
    """The document as a typed value. Raises `RunError`, naming the file and the first wrong field."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise RunError(f"{file}: damaged: {first_fault(error)}; {mend}") from error


def first_fault(error: ValidationError) -> str:
    """The first wrong field, and what is wrong with it."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the document'}: {first['msg']}"
