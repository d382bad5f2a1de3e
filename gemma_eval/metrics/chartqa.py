"""Relaxed accuracy of ChartQA (Masry et al., 2022, arXiv 2203.10244; the rule of Methani et al., 2020): numbers within 5 %."""

from __future__ import annotations

import math
import re
import unicodedata

TOLERANCE = 0.05
_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_SIGNS = "$\u20ac\u00a3\u00a5\u20b9\u20a9"
_CURRENCY = re.compile(rf"(?P<minus>[+-]?)\s*(?:(?P<before>[{_SIGNS}])\s*)?(?P<number>[+-]?[\d.].*?)\s*(?P<after>[{_SIGNS}]?)")


def relaxed(answer: str, gold: str) -> float:
    """1.0 if the answer is a number within 5 % of the gold number, or the same text in any case; else 0.0.

    Numbers may have thousands separators and a currency sign, which one of the two may lack: "$5" is 5, but not "\u20ac5". A percent sign
    divides by 100.
    """
    (currency, found), (other, wanted) = _amount(answer), _amount(gold)
    return 0.0 if currency and other and currency != other else _relaxed(found, wanted)


def relaxed_as_written(answer: str, gold: str) -> float:
    """As `relaxed`, but numbers are what Python reads as one, as in Google's and other evaluators: "1,234" and "$5" are texts."""
    return _relaxed(answer.strip(), gold.strip())


def _relaxed(answer: str, gold: str) -> float:
    found, wanted = _number(answer), _number(gold)
    if found is None or wanted is None:
        return float(answer.lower() == gold.lower())
    if wanted == 0:
        return float(found == 0)
    return float(abs(found - wanted) / abs(wanted) <= TOLERANCE)


def _amount(text: str) -> tuple[str, str]:
    """The currency sign before or after a number, "" if there is none; and the text without it and without thousands separators."""
    text = _SEPARATOR.sub("", text.strip())
    plain = unicodedata.normalize("NFKC", text).replace("\u2212", "-")
    found = _CURRENCY.fullmatch(plain)
    if found and bool(found["before"]) != bool(found["after"]):
        return found["before"] or found["after"], found["minus"] + found["number"]
    return "", text if _number(plain) is None else plain


def _number(text: str) -> float | None:
    try:
        number = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
