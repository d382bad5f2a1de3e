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
    """The option letter that a text begins with."""
    match = re.match(f"{_OPENING}({_LETTER})", text)
    return match[1] if match else None


def letters(text: str) -> str | None:
    """The option letters that a text begins with, in alphabetical order: "ACD" of "A, C和D", "(A)(C)(D)" or "DCA"."""
    match = re.match(f"{_OPENING}({_RUNS})", text)
    return _sorted_letters(match[1]) if match else None


def first_letter(text: str) -> str | None:
    """The first option letter anywhere. The authors' rule goes further and takes the capitals of words too: "B" of "Both"."""
    match = re.search(_LETTER, text)
    return match[0] if match else None


def all_letters(text: str) -> str | None:
    """Every option letter of a text, in alphabetical order: the authors' rule where several can be right."""
    return _sorted_letters(" ".join(re.findall(_RUN, text))) or None


def _sorted_letters(text: str) -> str:
    return "".join(sorted(set(re.findall("[A-G]", text))))


def value(text: str) -> str | None:
    """A value as written, without the full stop of the sentence."""
    return text.strip().rstrip(".。").rstrip() or None


def same_value(answer: str, gold: str) -> float:
    """1.0 if both are written the same way after normalisation."""
    return float(normalize_value(answer) == normalize_value(gold))


def normalize_value(text: str) -> str:
    """One spelling for values that differ in LaTeX alone. Beyond the source's rules, dollar signs around formulas are dropped."""
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
