"""Option letters, and yes or no, in generated text. `anywhere` is the rule of MMLU-Pro's authors (Wang et al., 2024, arXiv 2406.01574)."""

from __future__ import annotations

import re

_STATED = re.compile(r"answer is \(?([A-J])\b\)?")
_LABELLED = re.compile(r".*[aA]nswer:\s*([A-J])\b")
_LEADING = re.compile(r"\(([A-J])\)|([A-J])(?=[.):]|$)")
_YES_OR_NO = re.compile(r"(?:yes|no)\b", re.IGNORECASE)
_BRACKETED = re.compile(r"\(([A-J])\)")
_LONE = re.compile(r"\b([A-J])\b")


def leading(text: str) -> str | None:
    """The letter that a text begins with, if it is written as an option: "B", "(B)" or "B. Paris", but not "A dog"."""
    match = _LEADING.match(text.strip())
    return match[1] or match[2] if match else None


def first(text: str) -> str | None:
    """The leading letter, else that of the first "answer is X", else the first letter in brackets. The order is lmms-eval's for BLINK."""
    bracketed = _BRACKETED.search(text)
    return leading(text) or stated(text) or (bracketed[1] if bracketed else None)


def yes_or_no(text: str) -> str | None:
    """The "yes" or "no" that a text begins with, in lower case; None if it begins with neither."""
    match = _YES_OR_NO.match(text.strip())
    return match[0].lower() if match else None


def stated(text: str) -> str | None:
    """The letter of the first "answer is (X)"; None if there is none. The first letter of a word ("answer is Because") does not count."""
    match = _STATED.search(text)
    return match[1] if match else None


def last_stated(text: str) -> str | None:
    """The letter of the last "answer is (X)"."""
    found = _STATED.findall(text)
    return found[-1] if found else None


def anywhere(text: str) -> str | None:
    """The first stated letter, else that of the last "Answer: X", else the last letter that stands alone: the authors' three steps."""
    if found := stated(text):
        return found
    if match := _LABELLED.search(text):
        return match[1]
    letters = _LONE.findall(text)
    return letters[-1] if letters else None
