"""Counts as answers: digits, or number words up to twenty, as Google's TallyQA and CountBenchQA evaluators map them (big_vision)."""

from __future__ import annotations

import re

_WORDS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"
]  # fmt: skip
_NUMBERS = {word: str(number) for number, word in enumerate(_WORDS)} | {"none": "0"}
_FIRST = re.compile(rf"\b(?:\d+|{'|'.join(_NUMBERS)})\b", re.IGNORECASE)


def whole(text: str) -> str | None:
    """The count, in digits, if the whole text is one, with or without a final stop; None for a text such as "there are five"."""
    text = text.strip().removesuffix(".").strip().lower()
    number = _NUMBERS.get(text, text)
    return str(int(number)) if re.fullmatch(r"[0-9]+", number) else None


def first(text: str) -> str | None:
    """The first number or number word anywhere, in digits; None if there is none."""
    match = _FIRST.search(text)
    return whole(match[0]) if match else None
