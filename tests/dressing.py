r"""Other ways to write one answer in LaTeX, which change its looks alone."""

from __future__ import annotations

import re
from collections.abc import Callable

Change = Callable[[str], str]


def _outside_words(change: Change) -> Change:
    r"""The change applied to all but the words in \text{...} and the names of environments."""

    def changed(answer: str) -> str:
        parts = re.split(r"(\\(?:text|mbox|begin|end)\s*\{[^{}]*\}(?:\{[lcr|]+\})?)", answer)
        return "".join(part if index % 2 else change(part) for index, part in enumerate(parts))

    return changed


def _replaced(pattern: str, replacement: str) -> Change:
    return _outside_words(lambda text: re.sub(pattern, replacement, text))


CHANGES: dict[str, Change] = {
    r"\left \right": _replaced(r"(?<!\\left)(?<!\\right)(?<!\\)([(\[])([^()\[\]]*)([)\]])", r"\\left\1\2\\right\3"),
    r"no \left \right": lambda answer: re.sub(r"\\(?:left|right)(?![a-zA-Z])\s*", "", answer),
    r"\bigl \bigr": _replaced(r"(?<!\\left)(?<!\\right)(?<!\\)([(\[])([^()\[\]]*)([)\]])", r"\\bigl\1\2\\bigr\3"),
    r"\dfrac": _replaced(r"\\[dtc]?frac", r"\\dfrac"),
    r"\tfrac": _replaced(r"\\[dtc]?frac", r"\\tfrac"),
    r"\frac": _replaced(r"\\[dtc]?frac", r"\\frac"),
    r"\frac12": _replaced(r"frac\{(\d)\}\{(\d)\}", r"frac\1\2"),
    r"\sqrt2": _replaced(r"\\sqrt\{(\d)\}", r"\\sqrt\1"),
    r"spaces around \\": lambda answer: re.sub(r"\s*\\\\\s*", r"  \\\\  ", answer),
    r"no spaces around \\": lambda answer: re.sub(r"\s*\\\\\s*", r"\\\\", answer),
    "line break in matrix": lambda answer: re.sub(r"\s*\\\\\s*", "\\\\\\\\\n", answer),
    "bmatrix": lambda answer: answer.replace("pmatrix", "bmatrix"),
    "spaces around commas": _replaced(r"(?<!\d),(?!\d{3})|,(?=\s)", " , "),
    r"\, after commas": _replaced(r",\s+", r",\\,"),
    r"\! after signs": _replaced(r"([-+])", r"\1\\!"),
    r"\; around signs": _replaced(r"(?<=[\d}a-z])\s*([-+])\s*", r"\\;\1\\;"),
    "spaces around signs": _replaced(r"(?<=[\d}a-z])\s*([-+=])\s*", r" \1 "),
    "space at both ends": lambda answer: f" {answer} ",
    "$...$": lambda answer: f"${answer}$",
    r"\(...\)": lambda answer: rf"\({answer}\)",
    r"\displaystyle": lambda answer: rf"\displaystyle {answer}",
    "full stop": lambda answer: f"{answer}.",
    r"\%": lambda answer: rf"{answer}\%" if re.fullmatch(r"-?[\d.]+", answer) else re.sub(r"\\?%$", "", answer),
    "degrees": lambda answer: re.sub(r"\^\\circ|\^\{\\circ\}", "", answer),
    "°": lambda answer: re.sub(r"\^\\circ|\^\{\\circ\}", "°", answer),
    "unit": lambda answer: rf"{answer}\text{{ cm}}" if re.fullmatch(r"-?[\d.]+", answer) else answer,
    "spaced unit": lambda answer: rf"{answer}\,\mathrm{{cm}}^{{2}}" if re.fullmatch(r"-?[\d.]+", answer) else answer,
    "no unit": lambda answer: re.sub(r"(?<=[\d}])(?:\s|\\[,;])*\\(?:text|mbox)\s*\{(?! and)[^{}]*\}(?:\^\{?\d\}?)?$", "", answer),
    "minus sign": _replaced("-", "\N{MINUS SIGN}"),
    "trailing zeros": lambda answer: f"{answer}0" if re.fullmatch(r"-?\d+\.\d+", answer) else answer,
    "a decimal zero": lambda answer: f"{answer}.0" if re.fullmatch(r"-?\d+", answer) else answer,
    "1,000": lambda answer: f"{int(answer):,}" if re.fullmatch(r"-?[1-9]\d{3,20}", answer) else answer,
    "1{,}000": lambda answer: f"{int(answer):,}".replace(",", "{,}") if re.fullmatch(r"-?[1-9]\d{3,20}", answer) else answer,
    r"1\,000": lambda answer: f"{int(answer):,}".replace(",", r"\,") if re.fullmatch(r"-?[1-9]\d{3,20}", answer) else answer,
    "^{2}": _replaced(r"\^(\d)", r"^{\1}"),
    r"\cdot": _replaced(r"(?<=\d)(?=\\(?:sqrt|pi))", r"\\cdot "),
    "words bare": lambda answer: re.sub(r"^\\(?:text|mbox)\{([^{},]*)\}$", r"\1", answer),
    "words bold": lambda answer: re.sub(r"^\\(?:text|mbox)\{([^{},]*)\}$", r"\\textbf{\1}", answer),
    r"\leq for \le": _replaced(r"\\le(?![a-zA-Z])", r"\\leq "),
    r"+\infty": _replaced(r"(?<![-+])\\infty", r"+\\infty"),
    "1/2": lambda answer: re.sub(r"^(-?)\\[dt]?frac\{(\d+)\}\{(\d+)\}$", r"\1\2/\3", answer),
}
"""How each change is called, and the change; it returns the answer as it is where there is nothing to change."""
