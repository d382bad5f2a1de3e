"""What a setting's value must be: a range stands beside its field, in the field's type, and one check reads them all.

    limit: Count | None = None

A page that declares a field of its base again, as `max_tokens: int = 512`, keeps the base's range unless it states its own.
A number must be finite whatever its range. This module knows no setting.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from gemma_eval.errors import ConfigError

LARGEST = 2**31 - 1  # of a count: engines keep them in 32 bits
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
LONGEST_NAME = 255  # bytes of a folder's name


@dataclass(frozen=True)
class Range:
    """The values that a field takes: `words` for the reader ("from 0 to 1"), `holds` for the program.

    `secret`: the value may be a key by mistake, so that no message shows it.
    """

    words: str
    holds: Callable[[Any], bool]
    secret: bool = False


def between(low: float, high: float) -> Range:
    """From `low` to `high`, both included."""
    return Range(f"from {low:,} to {high:,}", lambda value: low <= value <= high)


def inside(low: float, high: float) -> Range:
    """Between `low` and `high`, neither included."""
    return Range(f"between {low:,} and {high:,}", lambda value: low < value < high)


def above(low: float, high: float) -> Range:
    """Above `low`, and at most `high`."""
    return Range(f"above {low:,} and at most {high:,}", lambda value: low < value <= high)


def at_least(low: int) -> Range:
    """At least `low`, and no more than engines can count."""
    return Range(f"at least {low:,} (and at most {LARGEST:,})", lambda value: low <= value <= LARGEST)


def one_of(*names: str) -> Range:
    """One of these words."""
    return Range(f"one of {', '.join(names)}", lambda value: value in names)


def pattern(expression: str, words: str, *, secret: bool = False) -> Range:
    """A text that matches the whole regular expression."""
    return Range(words, lambda value: re.fullmatch(expression, value) is not None, secret)


def _folder_name(value: str) -> bool:
    plain = value == value.strip() and value not in ("", ".", "..") and "/" not in value and "\\" not in value
    return plain and not CONTROL.search(value) and len(value.encode(errors="replace")) <= LONGEST_NAME


def _visible(value: str) -> bool:
    return bool(value.strip()) and not CONTROL.search(value)


FOLDER_NAME = Range(f"the name of one folder: no slash, not blank, not '..', at most {LONGEST_NAME} bytes", _folder_name)
LITERAL_ESCAPE = re.compile(r"\\[nrt]")

Count = Annotated[int, at_least(1)]
Natural = Annotated[int, at_least(0)]
Seed = Annotated[int, between(0, 2**32 - 1)]
Share = Annotated[float, inside(0, 1)]
Positive = Annotated[float, above(0, 1e12)]
Text = Annotated[str, Range("a visible text, without line breaks or other control characters", _visible)]
Words = Annotated[str, Range("without line breaks or other control characters", lambda value: not CONTROL.search(value))]
FilePath = Annotated[str, Range("a path: not blank, and without line breaks or other control characters", _visible)]
FolderName = Annotated[str, FOLDER_NAME]
Stop = Annotated[
    str,
    Range(
        r"""a text that an answer can hold; a line break is written as itself: $'...stop=["\n"]' in the shell""",
        lambda value: value != "" and not LITERAL_ESCAPE.search(value) and not re.search(r"[\x00\ud800-\udfff]", value),
    ),
]
Temperature = Annotated[float, Range("0, or from 0.01 to 10", lambda value: value == 0 or 0.01 <= value <= 10)]


def check(settings: Any, prefix: str = "") -> None:
    """Raise `ConfigError`, naming key, value and range, for the first value of a dataclass that is out of its range.

    `prefix`: the settings' own key with a dot, such as "tasks.piqa.".
    """
    for key, refused, value in _out_of_range(settings, type(settings), prefix.removesuffix(".")):
        shown = "" if refused.secret else f"={_shown(value)}"
        raise ConfigError(f"{key}{shown}: must be {refused.words}")


def typed_fields(settings: type[Any]) -> dict[str, Any]:
    """By field of a dataclass, its type with its range."""
    return dict(_typed_fields(settings))  # type: ignore[arg-type]  # mypy takes a class for unhashable


def leaves(settings: type[Any]) -> Iterator[tuple[str, type[Any], bool]]:
    """Every number and text in the fields of a dataclass: its key, its type, and whether a range is stated for it."""
    for name, hint in typed_fields(settings).items():
        for kind, stated in _leaves(hint, stated=False):
            yield name, kind, stated


@cache
def _typed_fields(settings: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(settings.__mro__):
        own = vars(base).get("__annotations__", {})
        hints = get_type_hints(base, include_extras=True) if own else {}
        found |= {name: hints[name] for name in own if not (name in found and _same_without_range(hints[name], found[name]))}
    return {field.name: found[field.name] for field in fields(settings)}


def _same_without_range(hint: Any, before: Any) -> bool:
    """Whether `hint` holds the numbers and texts of `before`, and states no range for any of them."""
    now, then = list(_leaves(hint, stated=False)), list(_leaves(before, stated=False))
    return not any(stated for _, stated in now) and [kind for kind, _ in now] == [kind for kind, _ in then]


def _leaves(hint: Any, *, stated: bool) -> Iterator[tuple[type[Any], bool]]:
    if get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        stated = stated or any(isinstance(one, Range) for one in metadata)
        yield from _leaves(inner, stated=stated and inner in (int, float, str))
    elif get_args(hint):
        for part in get_args(hint)[get_origin(hint) is dict :]:  # keys of a dict are no values
            yield from _leaves(part, stated=False)
    elif hint in (int, float, str):
        yield hint, stated


def _out_of_range(value: Any, hint: Any, key: str) -> Iterator[tuple[str, Range, Any]]:
    """The values in `value`, which stands at `key` and is of type `hint`, that are out of their range."""
    if value is None:
        return
    if is_dataclass(value) and not isinstance(value, type):
        for name, inner in _typed_fields(type(value)).items():
            yield from _out_of_range(getattr(value, name), inner, f"{key}.{name}" if key else name)
    elif get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        yield from _out_of_range(value, inner, key)
        yield from ((key, one, value) for one in metadata if isinstance(one, Range) and not _holds(one, value))
    elif get_origin(hint) in (Union, types.UnionType):
        yield from _out_of_range(value, next(part for part in get_args(hint) if part is not type(None)), key)
    elif isinstance(value, list | tuple):
        inner = (get_args(hint) or (Any,))[0]
        for index, one in enumerate(value):
            yield from _out_of_range(one, inner, f"{key}[{index}]")
    elif isinstance(value, dict):
        inner = get_args(hint)[1] if len(get_args(hint)) == 2 else Any
        for name, one in value.items():
            yield from _out_of_range(one, inner, f"{key}.{name}")
    elif isinstance(value, float) and not math.isfinite(value):
        yield key, Range("a finite number", math.isfinite), value


def _holds(stated: Range, value: Any) -> bool:
    """Whether the value is in the range. Minus zero is not: it equals zero, and is hashed and shown as something else."""
    if isinstance(value, float) and (not math.isfinite(value) or (value == 0 and math.copysign(1, value) < 0)):
        return False
    return stated.holds(value)


def _shown(value: Any) -> str:
    """The value in one line: a text as it was typed, unless it is blank or has characters that would break the line."""
    if not isinstance(value, str):
        return str(value)
    return value if _visible(value) and value == value.strip() else repr(value)
