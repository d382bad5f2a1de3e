# ruff: noqa: RUF002  the signs of many scripts are meant
r"""Numbers in generated text, as any language writes them: 1,234.5 and 1.234,5, 1 234 and 1'234, native digits, −5, 1/2 and \frac{1}{2}."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from fractions import Fraction

LONGEST = 1000
"""Characters of a number; what is longer is no answer to any question, and costs much to compute with."""

MINUS = "-\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"
_EM_DASHES = "\u2014\u2015"
CURRENCY = r"[$\u20ac\u00a3\u00a5\uffe5\u20b9\u20a9\u0e3f\u09f3]"
_SPACES = " \u00a0\u2007\u2009\u202f"
_MARKS = ".,'\u2019\uff0c\uff0e\u066b\u066c"  # between the digits of a number; the last two are Arabic
_VULGAR = "\u00bd\u2153\u2154\u00bc\u00be\u2155\u2156\u2157\u2158\u2159\u215a\u215b\u215c\u215d\u215e"  # ½ and its like
_SCALES = {
    **dict.fromkeys(["thousand", "mil", "mille", "tausend", "\u0442\u044b\u0441\u044f\u0447"], 10**3),
    **dict.fromkeys(["\u4e07", "\u842c"], 10**4),
    **dict.fromkeys(["lakh", "lakhs"], 10**5),
    **dict.fromkeys(["million", "millions", "millionen", "millones"], 10**6),
    **dict.fromkeys(["crore", "crores"], 10**7),
    **dict.fromkeys(["\u4ebf", "\u5104"], 10**8),
    **dict.fromkeys(["billion", "billions"], 10**9),
}

_SIGN = rf"(?:(?<![\w.)\]}}%])[{MINUS}]|(?:(?<=\s)|^)[{_EM_DASHES}])"  # not the dash of 3-5
_BEFORE = rf"{_SIGN}?(?:\\?{CURRENCY}[{_SPACES}]?(?:[{MINUS}](?=\d))?)?"  # -$5, $-5
_DECIMAL = rf"(?:\d{{1,3}}(?:[{_SPACES}]\d{{3}})++(?!\d)(?:[{_MARKS}]\d++)?|\d++(?:[{_MARKS}]\d++)*+|(?<![\d.])\.\d++)"
_FRACTION = rf"(?:\\[dtc]?frac\s?(?:\{{\s?{_DECIMAL}\s?\}}\s?\{{\s?{_DECIMAL}\s?\}}|\d\d)|[{_VULGAR}])"
_WITH_FRACTION = rf"\d{{1,9}}[{_SPACES}]?{_FRACTION}|\d{{1,9}}[{_SPACES}]\d{{1,9}}[/\u2044]\d{{1,9}}(?!\d)"  # 1\frac12, 1½, 1 1/2
_QUOTIENT = rf"{_DECIMAL}(?:[{_SPACES}]?[/\u2044][{_SPACES}]?{_DECIMAL})?"
_SCALE = rf"[{_SPACES}]?(?:{'|'.join(sorted(_SCALES, key=len, reverse=True))})(?![a-z])"
_START = rf"(?=[{MINUS}{_EM_DASHES}\d.\\{CURRENCY[1:-1]}{_VULGAR}])"  # costs little where no number begins
NUMBER = rf"{_START}{_BEFORE}(?:{_WITH_FRACTION}|{_FRACTION}|{_QUOTIENT})(?i:{_SCALE})?"
"""A number as written, with its sign, its currency before it and a word such as "million" after it."""

_NUMBER = re.compile(NUMBER)
_LEAD = re.compile(r"(?:[\s:\uff1a*_(\[]|\$(?!\d)|\\[(\[]|\\(?:boxed|fbox|text|mathbf|mathrm|textbf)\{|\u2014(?=[\s:]))*+")
_MIXED = re.compile(rf"(?P<whole>\d+)?[{_SPACES}]?(?:\\[dtc]?frac\s?(?:\{{(?P<a>.*?)\}}\s?\{{(?P<b>.*?)\}}|(?P<c>\d)(?P<d>\d)))")


def to_number(text: str, *, local: bool = False) -> Fraction | None:
    """The text as a number; None if it is not one. Currency and percent signs and a final stop are dropped.

    A mark before groups of three digits separates thousands: "1,234", "1.234.567", "1,00,000". Of two marks, the last one is the decimal
    mark. "1.234" alone is read as English, or, if `local`, as the language that separates thousands by points.
    """
    if len(text) > LONGEST:
        return None
    spaced = re.sub(rf"(?<=\d)[{_SPACES}]?([{_VULGAR}])", r" \1", text.strip())
    plain = unicodedata.normalize("NFKC", spaced).replace("\u2044", "/").strip()
    plain = re.sub(rf"\\?{CURRENCY}|\\?%", "", re.sub(rf"[{MINUS}{_EM_DASHES}]", "-", plain)).strip()
    plain, factor = _scaled(plain.removesuffix("."))
    negative, size = plain.count("-", 0, 2) == 1, plain.lstrip("-+ ")
    value = _fraction(size, local)
    return None if value is None else (-value if negative else value) * factor


def _scaled(text: str) -> tuple[str, int]:
    """The text without a word such as "million" at its end, and the factor that the word stands for."""
    if found := re.search(rf"(?:{_SCALE})$", text, re.IGNORECASE):
        return text[: found.start()], _SCALES[found[0].strip().lower()]
    return text, 1


def _fraction(text: str, local: bool) -> Fraction | None:
    if found := _MIXED.fullmatch(text):
        whole, above, below = found["whole"], found["a"] or found["c"], found["b"] or found["d"]
    elif "/" in text:
        above, _, below = text.partition("/")
        whole, space, part = above.strip().rpartition(" ")
        whole, above = (whole, part) if space and len(part) < 3 else (None, above)  # "1 1/2", but not "1 000/3"
    else:
        return _decimal(text, local)
    parts = [_decimal(part.strip(), local) for part in (whole or "0", above, below)]
    if None in parts or not parts[2]:
        return None
    return parts[0] + parts[1] / parts[2]  # type: ignore[operator]


def _decimal(text: str, local: bool) -> Fraction | None:
    """A number without sign, of digits of any script and their marks."""
    text = re.sub(rf"[{_SPACES}](?=\d{{3}}(?!\d))", "'", text).replace("\u2019", "'").replace("\u066c", "'").replace("\u066b", ".")
    if not re.fullmatch(r"\d*(?:[.,']\d+)*", text) or not text:
        return None
    groups, marks = re.split(r"[.,']", text), re.findall(r"[.,']", text)
    whole, part = _split(groups, marks, local)
    if whole is None or not _grouped(whole):
        return None
    digits = "".join(whole)
    return Fraction(int((digits or "0") + part), 10 ** len(part))


def _split(groups: list[str], marks: list[str], local: bool) -> tuple[list[str] | None, str]:
    """The groups before the decimal mark, and the digits behind it; None if the marks contradict each other."""
    if not marks:
        return groups, ""
    others = set(marks[:-1])
    thousands = len(groups[-1]) == 3 and groups[0].strip("0") != "" and (not others or others == {marks[-1]})
    if marks[-1] == "." and not others and not local:
        thousands = False
    if marks[-1] == "'" or thousands:
        return (groups, "") if len(set(marks)) == 1 else (None, "")
    if len(others) > 1 or marks[-1] in others:
        return None, ""
    return groups[:-1], groups[-1]


def _grouped(groups: list[str]) -> bool:
    """Whether these are groups of thousands: 1 to 3 digits, then three digits each, or, in India, two before the last three."""
    if len(groups) == 1:
        return True
    return 1 <= len(groups[0]) <= 3 and len(groups[-1]) == 3 and len({len(group) for group in groups[1:-1]} | {3}) <= 2


def number_after(text: str, phrase: str) -> str | None:
    """The number that follows the last occurrence of `phrase`, as written; None if no number follows."""
    _, found, rest = text.rpartition(phrase)
    return number_at_start(rest) if found else None


def number_at_start(text: str) -> str | None:
    """The number that a text begins with, behind Markdown emphasis and LaTeX delimiters; None if it begins with none."""
    lead = _LEAD.match(text)
    match = _NUMBER.match(text, lead.end() if lead else 0)
    return match[0] if match else None


def numbers(text: str) -> list[str]:
    """All numbers of a text, as written."""
    return [match[0] for match in _NUMBER.finditer(text)]


def last_number(text: str) -> str | None:
    """The last number in a text, as written; None if there is none."""
    last = deque(_NUMBER.finditer(text), 1)
    return last[0][0] if last else None


def same_number(answer: str, golds: list[str]) -> float:
    """1.0 if the answer is numerically equal to any gold."""
    number = to_number(answer)
    return float(number is not None and any(number == to_number(gold) for gold in golds))


def same_local_number(answer: str, golds: list[str]) -> float:
    """1.0 if the answer, written as in any language, is numerically equal to any gold."""
    number = to_number(answer, local=True)
    return float(number is not None and any(number == to_number(gold) for gold in golds))
