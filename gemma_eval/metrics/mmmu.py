"""MMMU's parsers (Yue et al., 2024, arXiv 2311.16502; the authors' eval_utils.py), without their random guess if nothing is found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

_NUMBERS = [
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"),
]
_INDICATORS = ["could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result "]


def choice(text: str, options: Sequence[str]) -> str | None:
    """The letter of the option that a text names; of several the last one. None where the authors' script guesses.

    It is a letter in brackets, else before a space, else before a full stop. In a text of more than five words, it is else the letter of
    the option that the text quotes.
    """
    for mark in ",.!?;:'":
        text = text.strip(mark)
    text = f" {text} "
    letters = ascii_uppercase[: len(options)]
    for form, where in (("({})", "({})"), ("{} ", " {} "), ("{}.", " {} ")):
        if found := [letter for letter in letters if form.format(letter) in text]:
            return max(found, key=lambda letter: text.rfind(where.format(letter)))
    if len(text.split()) > 5:
        text, quoted = text.lower(), {letter: option.lower() for letter, option in zip(letters, options, strict=True)}
        if found := [letter for letter in letters if quoted[letter] in text]:
            return max(found, key=lambda letter: text.rfind(quoted[letter]))
    return None


def open_answer(text: str, golds: Sequence[str]) -> float:
    """1.0 if a conclusion of the text contains a gold text, or one of its numbers equals a gold number to two decimals; else 0.0."""
    wanted = {form for gold in golds for form in _forms(gold)}
    for found in _concluded(text):
        if isinstance(found, float):
            if found in wanted:
                return 1.0
        elif any(isinstance(form, str) and form in found for form in wanted):
            return 1.0
    return 0.0


def _concluded(text: str) -> set[str | float]:
    """The conclusions of a text: what follows the last "is", "so", "answer" and so on of each line, or "=" on the last, and its numbers."""
    text = text.strip().strip(".").lower()
    lines = text.split("\n")
    ends = []
    for number, line in enumerate(lines):
        shortest = ""
        for indicator in [*_INDICATORS, "="] if number == len(lines) - 1 else _INDICATORS:
            tail = line.split(indicator)[-1].strip()
            if indicator in line and (not shortest or len(tail) < len(shortest)):
                shortest = tail
        if shortest and shortest not in set(":,.!?;'"):
            ends.append(shortest)
    ends = ends or [text]
    numbers = [number for end in ends for pattern in _NUMBERS for number in pattern.findall(end)]
    return {form for found in [*ends, *numbers] for form in _forms(found)}


def _forms(text: str) -> list[str | float]:
    """A number to two decimals; or the text in lower case, a lone letter only where a space sets it off."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        text = text.lower()
        return [f" {text}", f"{text} "] if len(text) == 1 else [text]
