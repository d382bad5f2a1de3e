"""Answers to BLINK's questions (Fu et al., 2024, arXiv 2404.12390): letters of options such as "(A) Point A"."""

from __future__ import annotations

import re

from gemma_eval.metrics import options
from gemma_eval.metrics.plain_text import plain

LAST = "E"

_POINT = re.compile(r"\b[Pp]oint (?=\(?[A-E]\b)")
_NAMED = re.compile(r"\(([A-E])\)|\b[Pp]oint \(?([A-E])\b")
_CHOICES = {f"({letter})" for letter in "ABCDE"}


def letter(text: str) -> str | None:
    """The option letter, A to E, that a reply gives; "Point C" is option C. Failing that, the only one that it names so or in brackets."""
    text = plain(text)
    if found := options.letter(_POINT.sub("", text), LAST):
        return found
    named = {bracketed or point for bracketed, point in _NAMED.findall(text)}
    return named.pop() if len(named) == 1 else None


def authors(text: str) -> str | None:
    """The letter that the authors' script finds (zeyofu/BLINK_Benchmark, eval/test_benchmark.py); None where it asks a model.

    It is the reply itself; else the only "(X)" between spaces of the last paragraph, or else of the whole reply.
    """
    text = text.strip()
    if re.fullmatch(r"[A-E]|\([A-E]\)", text):
        return text.strip("()")
    everywhere, at_end = (_CHOICES.intersection(part.split()) for part in (text, text.split("\n\n")[-1]))
    only = next((found for found in (at_end, everywhere) if len(found) == 1), None)
    return only.pop().strip("()") if only else None
