"""Option letters as published rules find them, and yes or no. `options.letter` is the careful reader that most rows use instead."""

from __future__ import annotations

import re

from gemma_eval.metrics.plain_text import plain
from gemma_eval.metrics.statements import statements

_STATED = re.compile(r"answer is \(?([A-J])\b\)?")
_STATED_AUTHORS = re.compile(r"answer is \(?([A-J])")
_LABELLED = re.compile(r"[aA]nswer:\s*+([A-J])")
_LEADING = re.compile(r"\(([A-J])\)|([A-J])(?=[.):]|$)")
_LONE = re.compile(r"\b([A-J])\b")
_YES_OR_NO = re.compile(r"(?:(?:so|therefore|thus|hence|well|ok|okay)[,:]? |[\"'(\u201c]){0,3}(yes|no)\b", re.IGNORECASE)
_NOT_AN_ANSWER = re.compile(r"[\"']? ?(?:or|and|/|idea|way to|one can)(?: ?(?:yes|no)\b)?|-\w", re.IGNORECASE)
_TAKEN_BACK = re.compile(
    r"\b(?:wait|actually|correction|sorry|i mean)[,:. ]{1,3}(?:(?:the answer|it) (?:is|should be) )?(?=(?:yes|no)\b(?!,? (?:wait|it)))",
    re.IGNORECASE,
)


def leading(text: str) -> str | None:
    """The letter that a text begins with, if it is written as an option: "B", "(B)" or "B. Paris", but not "A dog"."""
    match = _LEADING.match(text.strip())
    return match[1] or match[2] if match else None


def stated(text: str) -> str | None:
    """The letter of the first "answer is (X)"; None if there is none. The first letter of a word ("answer is Because") does not count."""
    match = _STATED.search(text)
    return match[1] if match else None


def last_stated(text: str) -> str | None:
    """The letter of the last "answer is (X)"."""
    found = _STATED.findall(text)
    return found[-1] if found else None


def anywhere(text: str) -> str | None:
    """The rule of MMLU-Pro's authors (Wang et al., 2024, arXiv 2406.01574), but for their guess where it finds nothing.

    The letter is that of the first "answer is X", else that of the last "Answer: X" of the first line that has one, else the last letter
    that stands alone. In the first two, X may be the first letter of a word.
    """
    if match := _STATED_AUTHORS.search(text):
        return match[1]
    if labelled := _LABELLED.search(text):
        line_end = text.find("\n", labelled.start())
        *_, last = (match for match in _LABELLED.finditer(text) if match.start() < line_end or line_end < 0)
        return last[1]
    letters = _LONE.findall(text)
    return letters[-1] if letters else None


def yes_or_no(text: str) -> str | None:
    """The "yes" or "no" that a reply states or begins with, in lower case; None if it gives neither, or both ("yes or no").

    The last statement counts: "The answer is yes", or a correction such as "No. Wait, yes."
    """
    text = plain(text)
    stated = [(place.at, place.text) for place in statements(text)]
    stated += [(match.start(), text[match.end() :]) for match in _TAKEN_BACK.finditer(text)]
    lines = [text, text.rpartition("\n")[2]]
    told = [*(answer for _, answer in sorted(stated, reverse=True)), *lines]
    for answer in told:
        if match := _YES_OR_NO.match(answer):
            return None if _NOT_AN_ANSWER.match(answer, match.end()) else match[1].lower()
    return None
