"""Documents with one fault, as an editor or another version of the program may leave them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Place = tuple[str | int, ...]

ANYTHING = st.sampled_from([None, True, -1, 0.5, 10**30, float("inf"), "", "many", "half \ud83d of it", [], ["a"], [1, 2, 3], {}, {"a": 1}])


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> tuple[Place, Any]:
    """The document with one value changed or left out, and where."""
    place = draw(st.sampled_from(list(_places(document))))
    changed = copy.deepcopy(document)
    parent = changed
    for step in place[:-1]:
        parent = parent[step]
    if draw(st.booleans()):
        del parent[place[-1]]
    else:
        parent[place[-1]] = draw(ANYTHING)
    return place, changed


def _places(value: Any) -> Iterator[Place]:
    """Where the document has values, at every depth."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (step,)
        yield from ((step, *further) for further in _places(inner))


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes of a file, with one fault: in its bytes, or in one value of its JSON or of one of its lines."""
    if draw(st.booleans()):
        return _in_bytes(draw, content)
    lines = content.splitlines(keepends=True) if content.count(b"\n{") else [content]
    number = draw(st.integers(0, len(lines) - 1))
    _, changed = draw(damaged(json.loads(lines[number])))
    return b"".join([*lines[:number], json.dumps(changed).encode() + b"\n", *lines[number + 1 :]])


@st.composite
def damaged_anywhere(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes of a file of any format, with one fault."""
    return _in_bytes(draw, content)


def _in_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    start = draw(st.integers(0, len(content)))
    end = min(len(content), start + draw(st.sampled_from([0, 1, 7, 400, 10**6])))
    put = draw(st.sampled_from([b"", b"\0", b"\n", b"{", b"[" * 100_000, b"\xff", b"NaN", b"9" * 5000, b'"']))
    return content[:start] + put + content[end:]
