r"""The final answer of a chat reply: the content of its last \boxed{...}, or what follows its last "the answer is"."""

from __future__ import annotations

import re
from collections.abc import Callable

from gemma_eval.metrics import math, minerva

_BOX = re.compile(r"\\(?:boxed|fbox)")
_STATED = re.compile(r"\banswer\b[^.:\n]{0,40}?(?:\bis\b|[:\uff1a])(?:[\s:*_]|\$\$\s*\n|\\\[\s*\n)*(?=([^\n]+))", re.IGNORECASE)
_COMMAND = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}")
_SPACING = re.compile(r"\\[,!;:() \[\]]|[*`$]|\{(?=,\})|(?<=,)\}")  # LaTeX spaces and delimiters, Markdown emphasis, {,} in numbers
_FORMULA = re.compile(r"\$+([^$]+)\$+|\\\((.+?)\\\)|\\\[(.+?)\\\]")
_SENTENCE_END = re.compile(r"[.!?](?:\s|$)")
_LETTER = re.compile(r"(?:(?:option|choice|letter)\s+)?\W*([A-Z])\b", re.IGNORECASE)
_LETTER_ALONE = re.compile(r"\(?([A-J])[).:]?")
_OPTION = re.compile(r"\(?([A-J])[).:]\s.*")


def _boxes(text: str) -> list[tuple[int, str]]:
    """The position of each box in a text, and its content."""
    held = [(match.start(), minerva.held(text[match.start() :])) for match in _BOX.finditer(text)]
    return [(at, content.strip()) for at, content in held if content and content.strip()]


def _phrases(text: str) -> list[tuple[int, str]]:
    """The position of each "the answer is" in a text, and the rest of its line."""
    return [(match.start(), match[1].strip()) for match in _STATED.finditer(text)]


def plain(text: str) -> str:
    """The text on one line, without Markdown emphasis, LaTeX formatting and the full stop of its sentence."""
    return " ".join(_SPACING.sub("", _COMMAND.sub(r"\1", text.replace("\\$", ""))).split()).removesuffix(".")


def letter(text: str) -> str | None:
    """The option letter, A to J, that a reply gives; None if it gives none.

    It is the last letter that the reply states as its answer. Failing that, it is a letter alone on the last line, or that of a reply
    that is nothing but one option.
    """
    alone = _LETTER_ALONE.fullmatch(_last_line(text)) or _OPTION.fullmatch(_only_line(text))
    return _last(text, lambda answer: found if (found := letter_of(answer)) and found <= "J" else None) or _group(alone)


def number(text: str) -> str | None:
    """The number that a reply gives: the last one that it states as its answer, else a last line that is nothing but a number."""
    return _last(text, number_of) or _group(re.fullmatch(f"({math.NUMBER})", _last_line(text)))


def words(text: str) -> str | None:
    """The answer that a reply gives in words: the last one that it states as its answer, else the whole reply if it is a single line."""
    return _last(text, str) or _only_line(text) or None


def formula(text: str) -> str | None:
    """The mathematical answer that a reply gives: the content of its last box.

    Without a box, it is the first formula after the last "the answer is", else the sentence there. None if there is neither.
    """
    boxes, phrases = _boxes(text), _phrases(text)
    found = boxes[-1][1] if boxes else _formula_in(phrases[-1][1]) if phrases else ""
    return found.rstrip(". ") or None


def _formula_in(line: str) -> str:
    match = _FORMULA.search(line)
    return next(filter(None, match.groups())).strip() if match else _SENTENCE_END.split(line)[0].strip("* ")


def letter_of(answer: str) -> str | None:
    """The option letter that an answer begins with."""
    found = _group(_LETTER.match(answer))
    return found if found and found.isupper() else None


def number_of(answer: str) -> str | None:
    """The number that an answer begins with, else the last number of its first sentence. Of an equation, the right side counts."""
    sentence = _SENTENCE_END.split(answer)[0].rpartition("=")[2].strip()
    first = re.match(math.NUMBER, sentence)
    return first[0] if first else math.last_number(sentence)


def _last(text: str, read: Callable[[str], str | None]) -> str | None:
    """The last stated answer that `read` can read."""
    answers = sorted(_boxes(text) + _phrases(text), reverse=True)
    return next((found for _, answer in answers if (found := read(plain(answer)))), None)


def _last_line(text: str) -> str:
    return plain(text.strip().rpartition("\n")[2])


def _only_line(text: str) -> str:
    """A reply of a single line; nothing otherwise."""
    return "" if "\n" in text.strip() else plain(text)


def _group(match: re.Match[str] | None) -> str | None:
    return match[1] if match else None
