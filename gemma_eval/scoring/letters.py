"""Option letters in generated reasoning, as the authors of MMLU-Pro look for them (Wang et al., 2024, arXiv 2406.01574)."""

from __future__ import annotations

import re

_STATED = re.compile(r"answer is \(?([A-J])\b\)?")
_LABELLED = re.compile(r".*[aA]nswer:\s*([A-J])\b")
_LONE = re.compile(r"\b([A-J])\b")


def stated(text: str) -> str | None:
    """The letter of the first "answer is (X)". A word that begins with such a letter ("answer is Because") is none."""
    match = _STATED.search(text)
    return match[1] if match else None


def last_stated(text: str) -> str | None:
    """The letter of the last "answer is (X)"."""
    found = _STATED.findall(text)
    return found[-1] if found else None


def anywhere(text: str) -> str | None:
    """As `stated`, else the letter of a last "Answer: X", else the last letter that stands alone: the authors' three steps."""
    if found := stated(text):
        return found
    if match := _LABELLED.search(text):
        return match[1]
    letters = _LONE.findall(text)
    return letters[-1] if letters else None
