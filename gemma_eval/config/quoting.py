"""Values as the user typed them, in Hydra's grammar.

Hydra gives `#`, `=`, braces and many letters a meaning, and reads `5` or `1e3` as numbers. A path or a name has them as they are, so
they are quoted on the user's behalf.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from gemma_eval.errors import ConfigError

SWEEP_FUNCTION = re.compile(r"(choice|range|interval|glob|sort|shuffle|tag)\(.*\)", re.DOTALL)
OPENING, CLOSING, QUOTES = "[{(", ")}]", "\"'"


def as_text(value: str) -> str:
    """A text. `null`, and one that is quoted already, stay as they are."""
    with suppress(HydraException):
        found = _read(value)
        if (
            found is None or isinstance(found, QuotedString) or (found == value and "\\" not in value)
        ):  # before a bracket, \ would escape it
            return value
    return _quoted(value)


def as_texts(key: str, value: str) -> str:
    """A list of texts, such as `[a.py,b c.py]`. Raises `ConfigError` for anything else, and names the form that works."""
    if not value.startswith("["):
        raise ConfigError(f"{key}={value}: must be a list: write {_in_shell(key, [value])}")
    if not value.endswith("]"):
        raise ConfigError(f"{key}={value}: the list is not closed: write {_in_shell(key, split(value[1:]))}")
    return _list(split(value[1:-1]))


def as_any(value: str) -> str:
    """A number, a word, a list: as Hydra reads it. What it cannot read becomes a text, which the schema refuses by key."""
    try:
        _read(value)
    except HydraException:
        return _quoted(value)
    return value


def split(value: str) -> list[str]:
    """The parts between commas, those inside quotes and brackets apart. A blank value has none."""
    return [part.strip() for part in _parts(value)] if value.strip() else []


def _parts(value: str) -> Iterator[str]:
    part, depth, quote, before = "", 0, "", ""
    for character in value:
        if quote:
            quote = "" if character == quote and before != "\\" else quote
        elif character in QUOTES and not part.strip(" " + OPENING):
            quote = character
        elif character == "," and depth <= 0:
            yield part
            part, depth, before = "", 0, ""
            continue
        else:
            depth += (character in OPENING) - (character in CLOSING)
        part, before = part + character, character
    yield part


def _list(parts: list[str]) -> str:
    return f"[{','.join(map(as_text, parts))}]"


def _in_shell(key: str, parts: list[str]) -> str:
    """The setting as a shell takes it."""
    return shlex.quote(f"{key}={_list(parts)}")


def _quoted(value: str) -> str:
    return str(QuotedString(value, Quote.single).with_quotes())


def _read(value: str) -> object:
    """What Hydra reads. Raises `HydraException` if it cannot."""
    return OverridesParser.create().parse_override(f"key={value}")._value
