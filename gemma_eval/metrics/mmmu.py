"""Answers to MMMU's questions (Yue et al., 2024, arXiv 2311.16502).

`choice` and `open_answer` are the authors' parsers (mmmu/utils/eval_utils.py), but for their random guess where nothing is found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

from gemma_eval.metrics import options
from gemma_eval.metrics.plain_text import plain

_NUMBERS = [  # `(?<!\d)` changes no match, but makes the time linear
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"-?(?<!\d)\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"-?(?:(?<!\d)\d+\.\d+|\.\d+|(?<!\d)\d+\b)(?![eE][+-]?\d+)(?![,\d])"),
]
_WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")
_INDICATORS = ["could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result "]


def letter(text: str, texts: Sequence[str]) -> str | None:
    """The letter of the option that a reply gives, as a careful reader finds it; None if it gives none, or several.

    texts: those of the options, in order. Failing a letter, the answer is the one option whose text the reply quotes.
    """
    if found := options.letter(text, ascii_uppercase[len(texts) - 1]):
        return found
    reply = _words(text)
    quoted = [option for option in map(_words, texts) if option.strip() and option in reply]
    longest = [option for option in quoted if not any(option in other for other in quoted if option != other)]
    matching = [letter for letter, option in zip(ascii_uppercase, map(_words, texts), strict=False) if option in longest]
    return matching[0] if len(matching) == 1 else None


def _words(text: str) -> str:
    """The words of a text in lower case, with a space around each."""
    return f" {' '.join(_WORD.findall(plain(text).lower()))} "


def choice(text: str, texts: Sequence[str]) -> str | None:
    """The letter that the authors' `parse_multi_choice_response` finds; None where it guesses.

    texts: those of the options, in order. It is a letter in brackets, else one between spaces; in a text of more than five words, else
    that of an option whose text is quoted. Of several, it is the one that stands last.
    """
    for mark in ",.!?;:'":
        text = text.strip(mark)
    text = f" {text} "
    letters = ascii_uppercase[: len(texts)]
    for form in ("({})", " {} "):
        if found := [letter for letter in letters if form.format(letter) in text]:
            return max(found, key=lambda letter: text.rfind(form.format(letter)))
    if len(text.split()) > 5:
        text, quoted = text.lower(), {letter: option.lower() for letter, option in zip(letters, texts, strict=True)}
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
