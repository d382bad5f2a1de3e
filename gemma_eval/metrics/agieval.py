# ruff: noqa: RUF001  Chinese punctuation is meant
"""Answers to exam questions as AGIEval reads them (Zhong et al., 2023, arXiv 2304.06364): option letters, and values in LaTeX.

`first_letter` and `all_letters` are the authors' own rules (src/post_process.py). Values are compared as strings after the rules of the
MATH data set's authors (Hendrycks et al., 2021), which AGIEval uses.
"""

from __future__ import annotations

import re

from gemma_eval.metrics import options

_OPENING = r"[\s:：(（\[【'\"*$]*"
_RUN = r"(?<![A-Za-z])[A-G]+(?![A-Za-z])"
_RUNS = rf"{_RUN}(?:[\s,;，、；()（）\[\]'\"和与及*]*(?:and )?{_RUN})*"
_LEADING_RUNS = re.compile(f"{_OPENING}({_RUNS})")
_STATED_RUNS = re.compile(rf"(?:答案[是为]?|选择?|[Aa]nswers?(?: is| are|:)){_OPENING}({_RUNS})")
_ONE_WORD = re.compile(r"\s*A [a-z]")  # "A car"
_STATED = re.compile("answer is |答案是")
_LAST = "G"


def letter(text: str) -> str | None:
    """The option letter, A to G, that an answer gives."""
    return options.letter(text, _LAST)


def letters(text: str) -> str | None:
    """The option letters that an answer begins with or states, in alphabetical order: "ACD" for "A, C和D", "(A)(C)(D)" and "选DCA"."""
    if (match := _LEADING_RUNS.match(text)) and not _ONE_WORD.match(text):
        return _sorted_letters(match[1])
    stated = _STATED_RUNS.findall(text)
    return _sorted_letters(stated[-1]) if stated else None


def first_letter(text: str) -> str | None:
    """The authors' rule for a single option: the first capital after "answer is" on the same line, else the first capital anywhere.

    The capital may begin a word.
    """
    for line in text.split("\n"):
        if (stated := _STATED.search(line)) and (match := re.search("[A-G]", line[stated.end() :])):
            return match[0]
    match = re.search("[A-F]", text)
    return match[0] if match else None


def all_letters(text: str) -> str | None:
    """The authors' rule for several right options: every capital from A to F, even of words, in alphabetical order."""
    return "".join(sorted(set(re.findall("[A-F]", text)))) or None


def _sorted_letters(text: str) -> str:
    return "".join(sorted(set(re.findall("[A-G]", text))))


def value(text: str) -> str | None:
    """The text as a value, without the full stop of its sentence; None if nothing is left."""
    return text.strip().rstrip(".。").rstrip() or None


def authors_value(text: str) -> str | None:
    """The text as a value by the authors' rule: all of it, or what follows the prompt's last words; None if nothing is left."""
    for words in ("The answer is therefore", "答案是"):
        text = text.rpartition(words)[2]
    return text.strip() or None


def same_value(answer: str, gold: str) -> float:
    """1.0 if both are written the same way after normalisation."""
    return float(normalize_value(answer) == normalize_value(gold))


def authors_same_value(answer: str, gold: str) -> float:
    """As `same_value`, but the dollar signs around a formula count, as they do in the authors' script."""
    return float(normalize_value(answer, dollars=True) == normalize_value(gold, dollars=True))


def normalize_value(text: str, *, dollars: bool = False) -> str:
    """The value in one spelling, the same for values that differ in LaTeX alone. Dollar signs around formulas are dropped, or kept."""
    text = text.strip().replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    text = re.sub(r"\\[td]frac", r"\\frac", text)
    text = re.sub(r"\\left|\\right|\^\{\\circ\}|\^\\circ|\\\$|\\%", "", text)
    text = text if dollars else text.replace("$", "")
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
