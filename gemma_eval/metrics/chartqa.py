"""Relaxed accuracy of ChartQA (Masry et al., 2022, arXiv 2203.10244; the rule of Methani et al., 2020): numbers within 5 %."""

from __future__ import annotations

import math
import re

TOLERANCE = 0.05
_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_CURRENCY = re.compile(r"^([+-]?)\s*[$€£¥]\s*(?=[\d.])")


def relaxed(answer: str, gold: str) -> float:
    """Thousands separators and a currency sign do not keep a number from being read; percent signs divide by 100. Case does not matter."""
    return _relaxed(_plain(answer), _plain(gold))


def relaxed_as_written(answer: str, gold: str) -> float:
    """The same for numbers as Python reads them, as Google's and other evaluators have it: "1,234" and "$5" are texts."""
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
