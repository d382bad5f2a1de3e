"""Counts as answers: digits, or number words up to twenty, as Google's TallyQA and CountBenchQA evaluators map them (big_vision)."""

from __future__ import annotations

import re

from gemma_eval.metrics import math

_WORDS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"
]  # fmt: skip
_NUMBERS = {word: str(number) for number, word in enumerate(_WORDS)} | {"none": "0"}
_FIRST = re.compile(rf"(?<![a-z\d.,/-])(?:{math.NUMBER}|{'|'.join(_NUMBERS)})(?![a-z\d-])", re.IGNORECASE)


def whole(text: str) -> str | None:
    """The count, in digits, if the whole text is one, with or without a final stop; None for a text such as "there are five"."""
    text = text.strip().removesuffix(".").strip().lower()
    number = _NUMBERS.get(text, text)
    return number.lstrip("0") or "0" if re.fullmatch(r"[0-9]+", number) else None


def first(text: str) -> str | None:
    """The first number or number word anywhere, in digits; None if there is none, or if it is no whole number."""
    match = _FIRST.search(text)
    if not match:
        return None
    number = math.to_number(_NUMBERS.get(match[0].lower(), match[0]))
    return str(number) if number is not None and number.denominator == 1 else None
