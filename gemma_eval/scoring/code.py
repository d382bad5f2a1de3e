"""Programs in generated text."""

from __future__ import annotations

import re

_OPENING = re.compile(r"(?:\A\s*```|```(?:python|py))[^\n`]*\n")


def unfence(text: str) -> str:
    """The first Markdown code block of a text, or where none is opened (at the start, or as "```python"), the text before any fence."""
    opening = _OPENING.search(text)
    return (text[opening.end() :] if opening else text).partition("```")[0]
