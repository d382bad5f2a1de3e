"""Programs in generated text."""

from __future__ import annotations

import re

_BLOCK = re.compile(r"^([ \t]*)```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL | re.MULTILINE)
_DEFINITION = re.compile(r"^(?:async\s+def|def|class)\s", re.MULTILINE)
_PROGRAM = re.compile(r"^(?:(?:async\s+def|def|class|import)\s+\w|from\s+\S+\s+import\s|@\w)", re.MULTILINE)
_OPENING = re.compile(r"(?:\A\s*```|```(?:python|py))[^\n`]*\n")


def unfence(text: str) -> str:
    """The content of the first Markdown code block that opens at the start of a text or as "```python"; else the text before any fence."""
    opening = _OPENING.search(text)
    return (text[opening.end() :] if opening else text).partition("```")[0]


def fenced(program: str) -> str:
    """A program as a Markdown code block."""
    return f"```python\n{program.strip()}\n```"


def from_reply(text: str) -> str | None:
    """The program in a chat reply; None if there is none.

    It is the first Markdown code block that defines a function or class (others show its use), else the first block. Without a block, it
    is the text from the first line that begins a program.
    """
    blocks = [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE).rstrip(" \t") for indent, block in _BLOCK.findall(text)]
    if blocks:
        return next(filter(_DEFINITION.search, blocks), blocks[0])
    bare = _PROGRAM.search(text)
    return text[bare.start() :] if bare else None
