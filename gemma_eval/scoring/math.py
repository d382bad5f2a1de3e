"""Numbers in generated text."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

NUMBER = r"-?\$?\d[\d,]*(?:\.\d+)?|-?\$?\.\d+"


def to_number(text: str) -> Decimal | None:
    """The number that a text is, or None. Thousands separators, currency and percent signs and a final stop are dropped."""
    cleaned = re.sub(r"[,$%\s]", "", text).removesuffix(".")
    try:
        number = Decimal(cleaned)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def number_after(text: str, phrase: str) -> str | None:
    """The first number after the last occurrence of `phrase`, as written."""
    _, found, rest = text.rpartition(phrase)
    match = re.match(rf"[\s:*]*({NUMBER})", rest) if found else None
    return match[1] if match else None


def last_number(text: str) -> str | None:
    """The last number in a text, as written."""
    numbers = re.findall(NUMBER, text)
    return numbers[-1] if numbers else None


def same_number(answer: str, golds: list[str]) -> float:
    """1.0 if the answer is numerically equal to any gold."""
    number = to_number(answer)
    return float(number is not None and any(number == to_number(gold) for gold in golds))
