# ruff: noqa: RUF001  the mathematical signs of Unicode are meant
r"""One spelling of a LaTeX answer: without what changes its looks alone, and with one way to write each thing.

spell(r"\left( \dfrac12,\, 1{,}000\text{ cm}^{2} \right)") == ["(", r"\frac{1}{2}", ",", "1000", ")"]
"""

from __future__ import annotations

import re
from collections.abc import Callable

LONGEST = 2000
"""Characters of an answer. Longer ones, and those with more nested braces than `DEEPEST`, are spelled as they are."""
DEEPEST = 40

_SIGNS = str.maketrans({
    **dict.fromkeys("−‐‑‒–—﹣－", "-"),
    **dict.fromkeys("×·⋅∗", r"\cdot "),
    **dict.fromkeys("÷∕⁄", "/"),
    **dict.fromkeys("\u00a0\u2007\u2009\u202f", " "),
    **dict.fromkeys("°º。\u200b\u2061\u2062", ""),
    "±": r"\pm ", "∓": r"\mp ", "∞": r"\infty ", "π": r"\pi ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ",
    "≤": r"\leq ", "≥": r"\geq ", "≠": r"\neq ", "≈": r"\approx ", "√": r"\sqrt ", "′": "'", "…": r"\ldots ", "∠": r"\angle ",
    "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "λ": r"\lambda ", "φ": r"\phi ", "⟨": r"\langle ", "⟩": r"\rangle ",
    "ℝ": "R", "（": "(", "）": ")", "，": ",", "、": ",", "：": ":", "＝": "=", "％": "%", "／": "/", "＋": "+",
    **{superior: f"^{{{digit}}}" for digit, superior in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{vulgar: rf"\frac{{{a}}}{{{b}}}" for vulgar, a, b in zip("½⅓⅔¼¾⅕⅛", "1121311", "2334458", strict=True)},
    **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
})  # fmt: skip
_SAME = {  # commands of one meaning
    **dict.fromkeys([r"\dfrac", r"\tfrac", r"\cfrac"], r"\frac"),
    **dict.fromkeys([r"\le", r"\leqslant"], r"\leq"),
    **dict.fromkeys([r"\ge", r"\geqslant"], r"\geq"),
    **dict.fromkeys([r"\lt"], "<"),
    **dict.fromkeys([r"\gt"], ">"),
    **dict.fromkeys([r"\ne"], r"\neq"),
    **dict.fromkeys([r"\times", r"\ast", "*"], r"\cdot"),
    **dict.fromkeys([r"\lbrace"], r"\{"),
    **dict.fromkeys([r"\rbrace"], r"\}"),
    **dict.fromkeys([r"\lbrack"], "["),
    **dict.fromkeys([r"\rbrack"], "]"),
    **dict.fromkeys([r"\lparen"], "("),
    **dict.fromkeys([r"\rparen"], ")"),
    **dict.fromkeys([r"\vert", r"\lvert", r"\rvert", r"\mid"], "|"),
    **dict.fromkeys([r"\dots", r"\cdots"], r"\ldots"),
    r"\varnothing": r"\emptyset",
    r"\langle": "(",
    r"\rangle": ")",
    r"\div": "/",
    r"\colon": ":",
}
_NOTHING = {  # looks alone
    *(r"\left", r"\right", r"\middle", r"\big", r"\Big", r"\bigg", r"\Bigg", r"\bigl", r"\bigr", r"\Bigl", r"\Bigr", r"\biggl", r"\biggr"),
    *(r"\displaystyle", r"\textstyle", r"\quad", r"\qquad", r"\thinspace", r"\!", r"\,", r"\;", r"\:", r"\>", "\\ ", "\\\n", "~"),
    *(r"\(", r"\)", r"\[", r"\]", r"\$", r"\%", "%", "$", r"\degree", r"\strut", r"\hline", '"', "`", "}"),
    *(r"\mathbf", r"\boldsymbol", r"\bm", r"\boxed", r"\fbox", r"\mathit", r"\vec", r"\mathbb", r"\mathcal"),
}
_FUNCTIONS = {"sqrt", "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "pi", "arcsin", "arccos", "arctan", "infty", "theta"}
_UNITS = re.compile(
    "square|cubic|sq|cu|ways?|integers?|dollars?|cents?|[mk]ph|percent|inch|inches|in|ft|foot|feet|yards?|yd|miles?|mi|[kcmn]m|meters?|metres?|"
    "hours?|hrs?|minutes?|mins?|seconds?|secs?|days?|weeks?|months?|years?|units?|sue|points?|digits?|degrees?|radians?|rad|gm|kg|grams?|"
    "pounds?|lbs?|ounces?|oz"
)

_PREPARED: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (re.compile(r"\^\s*(?:\\circ(?![a-zA-Z])|\{\s*\\circ\s*\}|\\degree|\{\s*\\degree\s*\})"), ""),
    (re.compile(r"(?<=\d)(?:\{,\}|,\\!)\s*(?=\d{3}(?!\d))"), ""),  # 1{,}000
    (re.compile(r"(?<=\d)(?:\\[,;: ]|~)+(?=\d{3}(?!\d))"), ""),  # 1\,000
    (re.compile(r"(?<=\d)(?:\s|\\[,;: ]|~)+(\d+)\s*/\s*(\d+)(?![\d.])"), r"\\frac{\1}{\2}"),  # 1 1/2
    (re.compile(r"(?<=\d)\s*([ap])\.?m\b\.?", re.IGNORECASE), lambda half: f"{half[1].lower()}m"),  # 4:30 p.m.
    (re.compile(r"\\\\\s*\[[^\]\\]{0,12}\]|\\cr(?![a-zA-Z])|\\\\\*"), r"\\\\"),
]
_DOUBLED = re.compile(r"\\\\(?=[a-zA-Z,;!:{}%$])")  # commands as JSON writes them
_TOKEN = re.compile(
    r"\\(?:text|mbox|textbf|textit|textrm|textnormal|mathrm|hbox|operatorname|emph)\*?\s*\{(?P<words>[^{}]*)\}"
    r"|(?P<matrix>\\begin\s*\{(?:[pb]?matrix|smallmatrix|array)\}(?:\s*\{[lcr|\s]*\})?)"
    r"|(?P<environment>\\(?:begin|end)\s*\{[a-z]*\*?\})"
    r"|(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<letters>(?<!\\)[^\W\d_]+)|\\[a-zA-Z]+|\\.|\S",
    re.DOTALL,
)
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['.](?=[^\W\d_]))*")
_HALF_DAY = re.compile(r"([ap])\.?\s?m\b\.?", re.IGNORECASE)

MATRIX, END, ROW, COLUMN, WORD = r"\matrix", r"\end", "\\\\", "&", '"'
"""Pieces of a matrix, and what a piece that is a word begins with."""


def spell(text: str) -> list[str]:
    """The pieces of an answer: numbers, letters, words, signs, brackets, fractions and roots with what they hold.

    A text that is too long or too nested to be an answer is one piece.
    """
    if len(text) > LONGEST:
        return [text]
    original = text
    text = text.translate(_SIGNS)
    if "\\begin" not in text:
        text = _DOUBLED.sub(r"\\", text)
    for pattern, replacement in _PREPARED:
        text = pattern.sub(replacement, text)
    try:
        return _Reader(text).pieces()
    except _TooNestedError:
        return [original]


class _TooNestedError(Exception):
    """An expression holds others to a depth that no answer has."""


def join(pieces: list[str]) -> str:
    r"""The pieces as one text, a command apart from a letter behind it: "\pi r"."""
    text = ""
    for piece in pieces:
        piece = piece.removeprefix(WORD)
        text += f" {piece}" if piece[:1].isalpha() and re.search(r"\\[a-zA-Z]+$", text) else piece
    return text


class _Reader:
    """Reads the tokens of a text one after the other."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_TOKEN.finditer(text))
        self.at = 0
        self.rest = ""  # of a number that a fraction took the first digit of
        self.depth = 0

    def pieces(self, closing: str = "") -> list[str]:
        """The pieces up to the closing bracket, or to the end."""
        found: list[str] = []
        self.depth += 1
        if self.depth > DEEPEST:
            raise _TooNestedError
        while (token := self.peek()) and token != closing:
            found += self.piece()
        self.at += bool(token)
        self.depth -= 1
        return found

    def peek(self) -> str:
        """The next token; "" at the end."""
        return self.rest or (self.tokens[self.at][0] if self.at < len(self.tokens) else "")

    def piece(self) -> list[str]:
        """The pieces that the next token gives: none if it is looks alone."""
        if self.rest:
            rest, self.rest = self.rest, ""
            self.at += 1
            return [_number(rest)]
        token = self.tokens[self.at]
        self.at += 1
        text = _SAME.get(token[0], token[0])
        if text in _NOTHING:
            return []
        if token["words"] is not None:
            return _words(token["words"])
        if token["matrix"]:
            return [MATRIX]
        if token["environment"]:
            return [END] if text.startswith("\\end") else ["".join(text.split())]
        if token["number"]:
            return [_number(text)]
        if token["letters"]:
            return self.letters(token)
        if text == "{":
            return self.pieces("}")
        if text == "\\frac":
            return [rf"\frac{{{self.argument()}}}{{{self.argument()}}}"]
        if text == "\\sqrt":
            return [self.root()]
        if text in ("^", "_"):
            return [f"{text}{{{self.argument(whole=True)}}}"]
        if text[0] == "\\" and text[1:].isalpha() and self.peek() == "{":
            return [f"{text}{{{self.argument()}}}"]
        return ["," if text == ";" else text]

    def argument(self, *, whole: bool = False) -> str:
        """What a command, `^` or `_` applies to: a group in braces, else one token; of a number one digit, unless the `whole` is meant."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise _TooNestedError
        while self.peek() in _NOTHING - {"}"}:
            self.at += 1
        sign = whole and self.peek() in ("-", "+") and self.piece()[0]
        token = self.peek()
        if len(token) > 1 and token.isdigit() and not whole:
            self.rest = token[1:]
            held = token[0]
        else:
            held = join(self.piece()) if token and token != "}" else ""
        self.depth -= 1
        return f"-{held}" if sign == "-" else held

    def root(self) -> str:
        """A root with its index."""
        index = ""
        if self.peek() == "[":
            self.at += 1
            index = f"[{join(self.pieces(']'))}]"
        if self.peek() == "(":
            self.at += 1
            return rf"\sqrt{index}{{{join(self.pieces(')'))}}}"
        return rf"\sqrt{index}{{{self.argument()}}}"

    def letters(self, token: re.Match[str]) -> list[str]:
        """A run of letters: a function, a conjunction, a unit, a word of four letters or more behind a space, or variables."""
        run, start = token[0], token.start()
        apart = start > 0 and (self.text[start - 1].isspace() or self.text[start - 1].isdigit())
        if run in _FUNCTIONS:
            return [self.root()] if run == "sqrt" else [f"\\{run}"]
        if run in ("and", "or"):
            return [","]
        if apart and (_UNITS.fullmatch(run) or (len(run) >= 4 and run.islower())):
            return [WORD + run]
        return list(run)


def _words(text: str) -> list[str]:
    """The pieces of a text within a formula: its words, and all that is none."""
    pieces: list[str] = []
    end = 0
    text = _HALF_DAY.sub(lambda half: f" {half[1].lower()}m", text)
    for word in _WORD.finditer(text):
        pieces += [*_Reader(text[end : word.start()].replace(".", " ")).pieces(), _word(word[0])]
        end = word.end()
    tail = text[end:]
    return pieces + _Reader(tail if not pieces else tail.replace(".", " ")).pieces()


def _word(word: str) -> str:
    if word in ("and", "or"):
        return ","
    if word in _FUNCTIONS:
        return f"\\{word}"
    return word if word in ("am", "pm") else WORD + word


def _number(digits: str) -> str:
    """The number without superfluous zeros."""
    whole, _, part = digits.partition(".")
    part = part.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{part}" if part else "")
