"""Numbers in generated text."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

NUMBER = r"-?\$?\d[\d,]*(?:\.\d+)?|-?\$?\.\d+"

LOCAL_NUMBER = r"[-\u2212]?[$\u20ac\u00a3\u00a5\u20b9]?\d+(?:[.,]\d+|[ \u00a0\u202f'\u2019]\d{3}(?!\d))*"
"""A number as some language writes it: 1,234.5 or 1.234,5 or 1 234 or 1,00,000; native digits count."""


def to_number(text: str) -> Decimal | None:
    """The text as a number; None if it is not one. Thousands separators, dollar and percent signs and a final stop are dropped."""
    cleaned = re.sub(r"[,$%\s]", "", text).removesuffix(".")
    try:
        number = Decimal(cleaned)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def number_after(text: str, phrase: str, number: str = NUMBER) -> str | None:
    """The number that follows the last occurrence of `phrase`, as written; None if no number follows."""
    _, found, rest = text.rpartition(phrase)
    match = re.match(rf"[\s:*\u2014]*({number})", rest) if found else None
    return match[1] if match else None


def last_number(text: str, number: str = NUMBER) -> str | None:
    """The last number in a text, as written; None if there is none."""
    numbers = re.findall(number, text)
    return numbers[-1] if numbers else None


def same_number(answer: str, golds: list[str]) -> float:
    """1.0 if the answer is numerically equal to any gold."""
    number = to_number(answer)
    return float(number is not None and any(number == to_number(gold) for gold in golds))


def to_local_number(text: str) -> Decimal | None:
    """The text as a number, written as in any language; None if it is not one.

    Points or commas before a last group of three digits are thousands separators ("1.234" is German for 1234), unless the first group is
    zero. Otherwise the last point or comma is the decimal mark. `Decimal` reads the digits of every script.
    """
    sign = "-" if text[:1] in "-\u2212" else ""
    cleaned = re.sub(r"[^\d.,]", "", text).rstrip(".,")
    groups, marks = re.split(r"[.,]", cleaned), re.findall(r"[.,]", cleaned)
    if not all(groups):
        return None
    grouping = marks if len(groups[-1]) == 3 and len(set(marks)) == 1 and int(groups[0]) else marks[:-1]
    if len(set(grouping)) > 1 or (len(marks) > len(grouping) and marks[-1] in grouping):
        return None
    whole, fraction = (groups, []) if len(grouping) == len(marks) else (groups[:-1], groups[-1:])
    return Decimal(sign + "".join(whole) + "".join(f".{digits}" for digits in fraction))


def same_local_number(answer: str, golds: list[str]) -> float:
    """1.0 if the answer, written as in any language, is numerically equal to any gold."""
    number = to_local_number(answer)
    return float(number is not None and any(number == to_number(gold) for gold in golds))
