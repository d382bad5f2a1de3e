"""Answers to competition problems as Minerva judges them (Lewkowycz et al., 2022, arXiv 2206.14858, appendix D)."""

from __future__ import annotations

import re
from functools import lru_cache

from gemma_eval.metrics import symbolic, workers

LONGEST = 2000
"""Characters of an answer; what is longer equals no gold answer, and takes long to normalize."""

_OPENING, _CLOSING = "Final Answer: The final answer is", " I hope it is correct"

# The paper's tables. Its code also removes units from inside LaTeX commands ("ft" from \left) and fuses the pair "0,1"
# into a number; neither is done here (nor in lm-eval since 0.4.12).
_SUBSTITUTIONS = [
    ("an ", ""),
    ("a ", ""),
    (".$", "$"),
    ("\\$", ""),
    ("\\ ", ""),
    (" ", ""),
    ("mbox", "text"),
    (",\\text{and}", ","),
    ("\\text{and}", ","),
    ("\\text{m}", "\\text{}"),
]
_UNITS = (
    "square|ways|integers|dollars|mph|inches|ft|hours|km|units|sue|points|feet|minutes|digits|cents|degrees|cm|gm|pounds|meters|"
    "meals|edges|students|childrentickets|multiples"
)
_DECORATIONS = [
    "\\ldots",
    "\\text{s}",
    "\\text{.}",
    "\\text{\ns}",
    "\\text{}^2",
    "\\text{}^3",
    "\\text{\n}",
    "\\text{}",
    "\\mathrm{th}",
    "^\\circ",
    "^{\\circ}",
    "\\;",
    ",\\!",
    "{,}",
    '"',
    "\\dots",
]
_UNIT_WORD = re.compile(rf"(?<!\\)\b(?:{_UNITS})\b")
_COMMAND_OR_UNIT = re.compile(rf"(\\[a-zA-Z]+)|{_UNITS}")
_UNWRAPPED = [
    (re.compile(r"(.*?)\$(.*?)\$(.*)"), r"$\2$"),
    (re.compile(r"\\text\{(.*?)\}"), r"\1"),
    (re.compile(r"\\textbf\{(.*?)\}"), r"\1"),
    (re.compile(r"\\overline\{(.*?)\}"), r"\1"),
    (re.compile(r"\\boxed\{(.*)\}"), r"\1"),
    (re.compile(r"frac([^{])(.)"), r"frac{\1}{\2}"),  # \frac12
    (re.compile(r"sqrt(\[[^\]]*\])(\w)"), r"sqrt\1{\2}"),  # \sqrt[3]2
    (re.compile(r"sqrt(?!\[)([^{])"), r"sqrt{\1}"),  # \sqrt2
]
_GROUPED = re.compile(r"-?\d{1,3}(,\d{3})+")
_INTEGER = re.compile(r"-?\d+")


def final_answer(text: str) -> str | None:
    """The answer in the closing sentence "Final Answer: The final answer is $...$. I hope it is correct."; None without that sentence."""
    for line in text.split("\n"):
        _, found, rest = line.partition(_OPENING)
        end = rest.find(_CLOSING, 1)
        if found and end > 0:
            return rest[: end - 1].strip()  # without the full stop
    return None


def boxed(solution: str) -> str:
    r"""The content of the last \boxed of a worked solution, which is the gold answer. Raises `ValueError` if there is none."""
    start = max(solution.rfind("\\boxed"), solution.rfind("\\fbox"))
    if start < 0:
        raise ValueError("the solution has no \\boxed answer")
    found = held(solution[start:])
    if found is None:
        raise ValueError("the solution's \\boxed answer is not closed")
    return found


def held(text: str) -> str | None:
    r"""The content of the \boxed that a text begins with; None if it is not closed."""
    content = text.removeprefix("\\boxed").removeprefix("\\fbox")
    if not content.startswith("{"):  # \boxed 5
        return content.split("$")[0].strip()
    depth = 0
    for index, character in enumerate(content):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return content[1:index]
    return None


def normalize(answer: str) -> str:
    """The answer without units, formatting and LaTeX shorthand."""
    answer = _UNIT_WORD.sub("", answer.split("=")[-1])
    for before, after in _SUBSTITUTIONS:
        answer = answer.replace(before, after)
    answer = _COMMAND_OR_UNIT.sub(lambda match: match[1] or "", answer)
    for decoration in _DECORATIONS:
        answer = answer.replace(decoration, "")
    for pattern, replacement in _UNWRAPPED:
        answer = pattern.sub(replacement, answer)
    answer = answer.replace("$", "")
    return answer.replace(",", "") if _GROUPED.fullmatch(answer) else answer


def equivalent(answer: str, gold: str) -> bool:
    """Whether two answers are the same text after normalisation, or their difference is zero by computer algebra."""
    if len(answer) > LONGEST:
        return False
    answer, gold = normalize(answer), normalize(gold)
    if not answer or not gold:
        return False
    if answer == gold:
        return True
    if _INTEGER.fullmatch(answer) and _INTEGER.fullmatch(gold):
        return _digits(answer) == _digits(gold)
    return difference_is_zero(answer, gold)


def _digits(integer: str) -> str:
    """An integer without leading zeros. Python itself refuses to read one of more than 4,300 digits."""
    sign, digits = ("-", integer[1:]) if integer.startswith("-") else ("", integer)
    return sign + stripped if (stripped := digits.lstrip("0")) else "0"


@lru_cache(maxsize=100_000)
def difference_is_zero(answer: str, gold: str) -> bool:
    """Whether computer algebra finds that two LaTeX expressions are equal; False if it fails or takes too long."""
    return workers.run(symbolic.difference_is_zero, answer, gold) is True


@lru_cache(maxsize=100_000)
def verified(text: str, gold: str) -> bool:
    """Whether the library math-verify finds the gold answer in a text. It is more lenient than Minerva's rule."""
    return workers.run(symbolic.math_verify, text, gold) is True
