"""Relaxed accuracy of ChartQA (Masry et al., 2022, arXiv 2203.10244; the rule of Methani et al., 2020): numbers within 5 %."""

from __future__ import annotations

import math
import re

TOLERANCE = 0.05
_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_CURRENCY = re.compile(r"^([+-]?)\s*[$€£¥]\s*(?=[\d.])")


def relaxed(answer: str, gold: str) -> float:
    """1.0 if the answer is a number within 5 % of the gold number, or the same text in any case; else 0.0.

    Numbers may have thousands separators and a currency sign. A percent sign divides by 100.
    """
    return _relaxed(_plain(answer), _plain(gold))


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


def _plain(text: str) -> str:
    return _SEPARATOR.sub("", _CURRENCY.sub(r"\1", text.strip()))


def _number(text: str) -> float | None:
    try:
        number = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
