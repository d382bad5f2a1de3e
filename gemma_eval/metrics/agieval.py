# ruff: noqa: RUF001  Chinese punctuation is meant
"""Answers to exam questions as AGIEval reads them (Zhong et al., 2023, arXiv 2304.06364): option letters, and values in LaTeX.

Values are compared as strings after the rules of the MATH data set's authors (Hendrycks et al., 2021), which AGIEval uses.
"""

from __future__ import annotations

import re

_OPENING = r"[\s:：(（\[【'\"*$]*"
_LETTER = r"(?<![A-Za-z])[A-G](?![A-Za-z])"
_RUN = r"(?<![A-Za-z])[A-G]+(?![A-Za-z])"
_RUNS = rf"{_RUN}(?:[\s,;，、；()（）\[\]'\"和与及]*{_RUN})*"


def letter(text: str) -> str | None:
    """The option letter, A to G, that a text begins with; None if it begins with none."""
    match = re.match(f"{_OPENING}({_LETTER})", text)
    return match[1] if match else None


def letters(text: str) -> str | None:
    """The option letters that a text begins with, in alphabetical order: "ACD" for "A, C和D", "(A)(C)(D)" and "DCA"."""
    match = re.match(f"{_OPENING}({_RUNS})", text)
    return _sorted_letters(match[1]) if match else None


def first_letter(text: str) -> str | None:
    """The first option letter anywhere that stands alone. The authors' rule also takes capitals of words, such as the "B" of "Both"."""
    match = re.search(_LETTER, text)
    return match[0] if match else None


def all_letters(text: str) -> str | None:
    """Every option letter of a text, in alphabetical order: the authors' rule for questions with several right options."""
    return _sorted_letters(" ".join(re.findall(_RUN, text))) or None


def _sorted_letters(text: str) -> str:
    return "".join(sorted(set(re.findall("[A-G]", text))))


def value(text: str) -> str | None:
    """The text as a value, without the full stop of its sentence; None if nothing is left."""
    return text.strip().rstrip(".。").rstrip() or None


def same_value(answer: str, gold: str) -> float:
    """1.0 if both are written the same way after normalisation."""
    return float(normalize_value(answer) == normalize_value(gold))


def normalize_value(text: str) -> str:
    """The value in one spelling, the same for values that differ in LaTeX alone. Unlike in the source, dollar signs are dropped."""
    text = text.strip().replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    text = re.sub(r"\\[td]frac", r"\\frac", text)
    text = re.sub(r"\\left|\\right|\^\{\\circ\}|\^\\circ|\\?\$|\\%", "", text)
    text = text.partition("\\text{ ")[0]  # a unit to the right
    text = re.sub(r"(^|[ {])\.", r"\g<1>0.", text)
    name, equals, rest = text.partition("=")
    if equals and "=" not in rest and len(name) <= 2:
        text = rest  # "x = 3"
    text = text.replace(" ", "")
    text = re.sub(r"\\sqrt([^{\[])", r"\\sqrt{\1}", text)
    text = re.sub(r"\\frac([^{\\])([^{])", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\frac([^{\\])\{", r"\\frac{\1}{", text)
    if text == "0.5":
        return "\\frac{1}{2}"
    return re.sub(r"^(-?\d+)/(-?\d+)$", r"\\frac{\1}{\2}", text)
