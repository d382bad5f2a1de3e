r"""Answers to MATH as its authors compare them (Hendrycks et al., 2021, arXiv 2103.03874; `is_equiv` of math_equivalence.py)."""

from __future__ import annotations

import re

_REMOVED = [("\n", ""), ("\\!", ""), ("\\\\", "\\"), ("tfrac", "frac"), ("dfrac", "frac"), ("\\left", ""), ("\\right", "")]
_REMOVED += [("^{\\circ}", ""), ("^\\circ", ""), ("\\$", "")]
_UNIT = "\\text{ "
_INTEGER_RATIO = re.compile(r"(0|-?[1-9][0-9]*)/(0|-?[1-9][0-9]*)")


def is_equiv(answer: str, gold: str) -> bool:
    """Whether both are the same string after the authors' normalisation, or as they are where it fails."""
    try:
        return normalize(answer) == normalize(gold)
    except (ValueError, IndexError):
        return answer == gold


def normalize(text: str) -> str:
    """The answer without units, and with one spelling of fractions and roots. Raises `ValueError` or `IndexError` if it is malformed."""
    for before, after in _REMOVED:
        text = text.replace(before, after)
    text = _without_unit(text).replace("\\%", "").replace(" .", " 0.").replace("{.", "{0.")
    if not text:
        return text
    if text[0] == ".":
        text = f"0{text}"
    name, equals, rest = text.partition("=")
    if equals and "=" not in rest and len(name) <= 2:
        text = rest
    text = _fractions(_roots(text).replace(" ", ""))
    if text == "0.5":
        return "\\frac{1}{2}"
    ratio = _INTEGER_RATIO.fullmatch(text)
    return f"\\frac{{{ratio[1]}}}{{{ratio[2]}}}" if ratio else text


def _without_unit(text: str) -> str:
    before, unit, after = text.partition(_UNIT)
    if unit and _UNIT in after:
        raise ValueError(f"several units: {text}")
    return before


def _roots(text: str) -> str:
    r"""\sqrt3 becomes \sqrt{3}."""
    first, *others = text.split("\\sqrt")
    return "".join([first, *("\\sqrt" + (part if part[0] == "{" else f"{{{part[0]}}}{part[1:]}") for part in others)])


def _fractions(text: str) -> str:
    r"""\frac12 and \frac1{2} become \frac{1}{2}; everything stays if one of them has no second part."""
    first, *others = text.split("\\frac")
    spelled = [first]
    for part in others:
        if part[0] == "{":
            spelled.append(part)
        elif len(part) < 2:
            return text
        else:
            spelled.append(f"{{{part[0]}}}" + (part[1:] if part[1] == "{" else f"{{{part[1]}}}{part[2:]}"))
    return "\\frac".join(spelled)
