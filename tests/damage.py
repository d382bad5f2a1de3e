"""Documents with one fault, as an editor or another version of the program may leave them."""

from __future__ import annotations

import copy
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
