"""Programs in generated text."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})[^`\n]*")
_PYTHON = re.compile(r"\s*```(?:python|py)[^`\n]*")
_INDENTED = 4  # columns to the right of its opening fence, from which on a fence closes nothing (CommonMark)
_QUOTES = re.compile(r"\"\"\"|'''")
_SPACES = {0xA0: " ", 0x202F: " ", 0x200B: "", 0xFEFF: ""}
_TABS = re.compile(r"^ *\t[ \t]*", re.MULTILINE)

_DEFINITION = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)
_PROGRAM = re.compile(r"\A\n*(?=(?: {2,}|\t)\S)|^(?:(?:async\s+def|def|class|import)\s+\w|from\s+\S+\s+import\s|@\w)", re.MULTILINE)
_CODE = re.compile(rf"\A\n*(?: {{2,}}|\t)\S|{_DEFINITION.pattern}", re.MULTILINE)
_NAME = re.compile(r"[^\W\d]\w*")

_KEYWORD = (
    r"(?:and|as|assert|async|await|break|case|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|match"
    r"|nonlocal|not|or|pass|raise|return|try|type|while|with|yield)\b"
)
_PROSE = re.compile(
    rf"(?!{_KEYWORD})[^\W\d_][\w'\u2019-]*(?:[,:] +(?!{_KEYWORD})\w+)? +(?!{_KEYWORD})[^\W\d_]"  # words side by side
    r"|(?!else|try|finally)[^\W\d_]\w*:\s*$|[*>\u2022-]+ |\*\*|\d+[.)] |`|[\u3040-\u9fff\uac00-\ud7af][^=(]*$"
)


def unfence(text: str) -> str:
    """The content of the first Markdown code block that opens at the start of a text or as "```python"; else the text before any fence."""
    lines = _unix(text).split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    opened = [number for number, line in enumerate(lines) if (_FENCE if number == first else _PYTHON).fullmatch(line)]
    content, _ = _content(lines, opened[0] + 1 if opened else 0, "```", "")
    return content


def fenced(program: str) -> str:
    """A program as a Markdown code block."""
    return f"```python\n{program.strip()}\n```"


def from_reply(text: str, tests: str = "") -> str | None:
    """The program in a chat reply; None if there is none.

    It is the first Markdown code block that defines a name which the tests use, else the first that defines a function or class (others
    show its use). Else it is the code outside of blocks, from the first line that begins a program up to a fence or a line of prose; else
    the first block.
    """
    text = _spaced(_unix(text))
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if _FENCE.fullmatch(line)), len(lines))
    before = "\n".join(lines[:first])
    if first < len(lines) and not lines[first].strip("`~ ") and _CODE.search(before):
        return _bare(before + "\n")  # a block whose opening fence is missing
    blocks = list(_blocks(lines, first))
    defining = [block for block in blocks if _DEFINITION.search(block)]
    used = set(_NAME.findall(tests))
    asked = [block for block in defining if used.intersection(_DEFINITION.findall(block))]
    if defining:
        return (asked or defining)[0]
    return _bare(before if blocks else text) or next(iter(blocks), None)


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _spaced(text: str) -> str:
    """The text with plain spaces: none that do not break, which Python refuses, and no tabs before code, which clash with a prompt's."""
    text = text.translate(_SPACES)
    return _TABS.sub(lambda indent: indent[0].expandtabs(4), text) if "\t" in text else text


def _blocks(lines: list[str], at: int) -> Iterator[str]:
    """The contents of the code blocks from a line on, without the indentation of their fences."""
    while at < len(lines):
        fence = _FENCE.fullmatch(lines[at])
        at += 1
        if fence:
            content, at = _content(lines, at, fence["mark"], fence["indent"])
            yield content


def _content(lines: list[str], start: int, mark: str, indent: str) -> tuple[str, int]:
    """What a code block that opens before a line holds, and the line after its closing fence. A block may be cut short.

    A fence closes nothing within a string of three quotes, as a docstring is, unless that string has no end.
    """
    within, first = "", None
    for number in range(start, len(lines)):
        code = _code_before_fence(lines[number], mark, indent)
        if code is not None and not (code.strip() and _goes_on(lines, number + 1, indent)):
            first = number if first is None else first
            if not _open_string(within, code):
                first = number
                break
        within = _open_string(within, lines[number])
    held = lines[start:first]
    if first is not None:
        code = _code_before_fence(lines[first], mark, indent) or ""
        held += [code, ""] if code.strip() else [""]
    return "\n".join(line.removeprefix(indent) for line in held), len(lines) if first is None else first + 1


def _code_before_fence(line: str, mark: str, indent: str) -> str | None:
    """What stands before the fence that a line ends with; None if it ends with none that closes a block opened so."""
    stripped = line.rstrip()
    code = stripped.rstrip(mark[0])
    if len(stripped) - len(code) < len(mark) or (not code.strip() and len(code) >= len(indent) + _INDENTED):
        return None
    return code


def _goes_on(lines: list[str], at: int, indent: str) -> bool:
    """Whether the next line that is not blank is indented, so that a line of code before it ended in no fence."""
    following = next((line for line in lines[at : at + 3] if line.strip()), "")
    return following.removeprefix(indent)[:1] in (" ", "\t")


def _open_string(within: str, code: str) -> str:
    """The three quotes of the string that is open behind a piece of code; "" if none is. `within`: those open before it."""
    for quotes in _QUOTES.findall(code):
        within = "" if within == quotes else within or quotes
    return within


def _bare(text: str) -> str | None:
    """The code that a text without fences holds, up to the first line of prose; None if no line begins a program."""
    program = _PROGRAM.search(text)
    if not program:
        return None
    code: list[str] = []
    within = ""
    for line in text[program.start() :].split("\n"):
        if not within and _PROSE.match(line):
            return "\n".join(code).rstrip() + "\n"
        code.append(line)
        within = _open_string(within, line)
    return "\n".join(code)
