r"""Answers to competition problems: the same answer in other LaTeX is right, another answer is not.

An answer has a form: a number or expression; an ordered list in brackets, such as a point or an interval; an unordered one, such as a
set or the solutions 1, 2 or 1 \pm \sqrt{2}; a union; a matrix; an equation; a value with a name, such as x = 5. Forms are compared part by
part, and expressions as text, as exact numbers, and then by computer algebra.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from gemma_eval.metrics import hendrycks, latex, minerva
from gemma_eval.metrics.latex import join, spell

LONGEST = 400
"""Characters of an expression that computer algebra is asked about."""

MOST = 16
"""Members of an unordered list that are compared with all others, because they are not written alike."""

_OPENING, _CLOSING = {"(", "[", "\\{"}, {")", "]", "\\}"}
_RELATIONS = {"<": "<", ">": ">", "\\leq": "<", "\\geq": ">"}
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!,?\d)")
_BRACKET = re.compile(r"(?<!\\)[(\[]|\\\{")
_ZEROS = re.compile(r",0\d\d")
_INTEGER, _DECIMAL = r"\d{1,60}", r"\d{1,60}(?:\.\d{1,60})?"
_VALUE = re.compile(
    rf"(?P<sign>-?)(?:(?P<number>{_DECIMAL})|(?P<whole>{_INTEGER})?\\frac\{{(?P<above>-?{_DECIMAL})\}}\{{(?P<below>-?{_DECIMAL})\}}"
    rf"|(?P<over>{_DECIMAL})/(?P<under>{_DECIMAL})|(?P<before>\d{{1,30}})\.(?P<fixed>\d{{0,30}})\\overline\{{(?P<repeated>\d{{1,30}})\}})"
)
_BASE = re.compile(r"(-?[\dA-Z.]+)_\{\d+\}")
_WORDS = re.compile(r"[^\W\d_]{3,}")
_ARTICLES = {"a", "an", "the"}
_ARGUMENTS = re.compile(r"(?<=[a-zA-Z])\([^()]*\)|_\{[^{}]*\}")

Kind = Literal["expression", "ordered", "unordered", "union", "matrix", "equation", "named"]


@dataclass(frozen=True)
class Form:
    """An answer as its parts. `text` is the expression, the brackets, or the name."""

    kind: Kind
    text: str = ""
    parts: tuple[Form, ...] = ()


def equal(answer: str, gold: str) -> bool:
    """Whether two answers are the same. All that MATH's authors accept is accepted."""
    if not answer.strip() or not gold.strip():
        return False
    return hendrycks.is_equiv(answer, gold) or any(_same(a, b) for a in readings(answer) for b in readings(gold))


def right(answer: str, gold: str) -> bool:
    """Whether an answer equals the gold answer, or is an equation whose right side does: x^2 = 36 where 36 is asked for."""
    return equal(answer, gold) or any(
        found.kind == "equation" and wanted.kind != "equation" and _same(found.parts[1], wanted)
        for found in readings(answer)
        for wanted in readings(gold)
    )


def readings(text: str) -> list[Form]:
    """The forms that a text may have: two where "100,200" is a number or two numbers."""
    if len(text) > latex.LONGEST:
        return [Form("expression", text)]
    grouped = None if _BRACKET.search(text) else _GROUPED.search(text)
    number = [_GROUPED.sub(lambda match: match[0].replace(",", ""), text)] if grouped else []
    plain = [] if grouped and _ZEROS.search(grouped[0]) else [text]
    forms = [_form(spell(spelling), 0) for spelling in number + plain]
    return [form for form in forms if form != Form("expression")]


# -- forms -------------------------------------------------------------------------------------------------------


def _form(pieces: list[str], depth: int) -> Form:
    while pieces and (pieces[-1] in (".", ",", ":") or (_is_word(pieces[-1]) and _closes(pieces[-2:-1]))):
        pieces = pieces[:-1]
    if depth > latex.DEEPEST:
        return Form("expression", join(pieces))
    inside = _split(pieces, {"\\in"})
    if len(inside) == 2:  # x \in [0, 1]
        return _form(inside[1], depth + 1)
    items = [item for item in _split(pieces, {","}) if item]
    if len(items) > 1:
        return _unordered(items, depth)
    sides = _split(pieces, {"="})
    if len(sides) > 1:
        return _equation(sides, depth)
    members = _split(pieces, {"\\cup"})
    if len(members) > 1:
        return Form("union", parts=tuple(_form(member, depth + 1) for member in members))
    if _enclosed(pieces):
        return _bracketed(pieces, depth)
    if len(pieces) > 1 and pieces[0] == latex.MATRIX and pieces[-1] == latex.END and latex.END not in pieces[1:-1]:
        rows = [row for row in _split(pieces[1:-1], {latex.ROW}) if row]
        cells = [tuple(_form(cell, depth + 1) for cell in _split(row, {latex.COLUMN})) for row in rows]
        return Form("matrix", parts=tuple(Form("ordered", parts=row) for row in cells))
    if interval := _interval(pieces, depth):
        return interval
    if "\\pm" in pieces:
        return _unordered([pieces], depth)
    return Form("expression", _expression(pieces))


def _closes(pieces: list[str]) -> bool:
    return bool(pieces) and (pieces[0] in _CLOSING or pieces[0] == latex.END)


def _split(pieces: list[str], marks: set[str]) -> list[list[str]]:
    """The parts between marks that stand in no bracket and no matrix."""
    parts: list[list[str]] = [[]]
    depth = 0
    for piece in pieces:
        depth += (piece in _OPENING or piece == latex.MATRIX) - (piece in _CLOSING or piece == latex.END)
        if piece in marks and depth == 0:
            parts.append([])
        else:
            parts[-1].append(piece)
    return parts


def _enclosed(pieces: list[str]) -> bool:
    """Whether the first piece is a bracket that the last one closes."""
    if len(pieces) < 3 or pieces[0] not in _OPENING or pieces[-1] not in _CLOSING:
        return False
    depth = 0
    for index, piece in enumerate(pieces):
        depth += (piece in _OPENING) - (piece in _CLOSING)
        if depth == 0:
            return index == len(pieces) - 1
    return False


def _bracketed(pieces: list[str], depth: int) -> Form:
    inner = pieces[1:-1]
    items = _split(inner, {","})
    brackets = pieces[0] + pieces[-1]
    if brackets == "\\{\\}":
        return _unordered([item for item in items if item], depth)
    if len(items) > 1:
        return Form("ordered", brackets, tuple(_form(item, depth + 1) for item in items))
    held = _form(inner, depth + 1)
    return held if brackets == "()" or held.kind == "matrix" else Form("ordered", brackets, (held,))


def _unordered(items: list[list[str]], depth: int) -> Form:
    """The items in any order; one item is itself. One with a sign ± is two."""
    parts = tuple(_form(each, depth + 1) for item in items for each in _signed(item))
    return parts[0] if len(parts) == 1 else Form("unordered", parts=parts)


def _signed(pieces: list[str]) -> Iterator[list[str]]:
    if "\\pm" not in pieces:
        yield pieces
        return
    for plus, minus in (("+", "-"), ("-", "+")):
        yield [{"\\pm": plus, "\\mp": minus}.get(piece, piece) for piece in pieces]


def _equation(sides: list[list[str]], depth: int) -> Form:
    """What names mean, as in m = n = 5; or what is computed, as in 2 + 3 = 5; else an equation of its first and last side."""
    names = [join(side) for side in sides[:-1]]
    last = _form(sides[-1], depth + 1)
    if all(_is_name(name) for name in names):
        return Form("named", names[0], (last,)) if re.search(r"[^\W\d]", names[0]) else last
    return Form("equation", parts=(_form(sides[0], depth + 1), last))


def _is_name(text: str) -> bool:
    """Whether a text names a value, as x, f(2), x_1, AB or a+b do, or has no letters, as 2 + 3. x^2 + y^2 does not."""
    text = _ARGUMENTS.sub("", text)
    return not re.search(r"[\d^]", text) or not re.search(r"[^\W\d]", text)


def _interval(pieces: list[str], depth: int) -> Form | None:
    r"""The interval of 0 \leq x < 1 or x > 3; None if the pieces are no such thing."""
    signs = [piece for piece in pieces if piece in _RELATIONS]
    parts = _split(pieces, set(_RELATIONS))
    if not 1 <= len(signs) == len(parts) - 1 <= 2 or len({_RELATIONS[sign] for sign in signs}) > 1:
        return None
    if _RELATIONS[signs[0]] == ">":
        signs, parts = signs[::-1], parts[::-1]
    variables = [index for index, part in enumerate(parts) if len(part) == 1 and part[0].isalpha()]
    if variables != [1] and (len(parts) == 3 or len(variables) != 1):
        return None
    at = variables[0]
    low = _form(parts[at - 1], depth + 1) if at else Form("expression", "-\\infty")
    high = _form(parts[at + 1], depth + 1) if at + 1 < len(parts) else Form("expression", "\\infty")
    opening = "[" if at and signs[at - 1] in ("\\leq", "\\geq") else "("
    closing = "]" if at < len(signs) and signs[at] in ("\\leq", "\\geq") else ")"
    return Form("ordered", opening + closing, (low, high))


def _expression(pieces: list[str]) -> str:
    """The text of an expression without its unit, a leading plus, and the article and capital of a word."""
    if len(pieces) > 1 and pieces[0].removeprefix(latex.WORD).lower() in _ARTICLES and all(map(_is_word, pieces[1:])):
        pieces = pieces[1:]
    end = len(pieces)
    while end and (_is_word(pieces[end - 1]) or (pieces[end - 1].startswith("^") and end > 1 and _is_word(pieces[end - 2]))):
        end -= 1
    value = join(pieces[:end])
    text = (value if re.search(r"\d|\\", value) else join(pieces)).removeprefix("+")
    return text.lower() if _WORDS.fullmatch(text) and text[1:].islower() else text


def _is_word(piece: str) -> bool:
    return piece.startswith(latex.WORD)


# -- equality ----------------------------------------------------------------------------------------------------


def _same(a: Form, b: Form) -> bool:
    if "named" in (a.kind, b.kind):
        (name, value), (other, wanted) = _named(a), _named(b)
        return (not name or not other or name == other) and _same(value, wanted)
    if a.kind != b.kind:
        return False
    if a.kind == "expression":
        return _same_expression(a.text, b.text)
    if a.text != b.text or len(a.parts) != len(b.parts):
        return False
    if a.kind in ("unordered", "union", "equation"):
        return _match(list(a.parts), list(b.parts))
    return all(_same(x, y) for x, y in zip(a.parts, b.parts, strict=True))


def _named(form: Form) -> tuple[str, Form]:
    return (form.text, form.parts[0]) if form.kind == "named" else ("", form)


def _match(left: list[Form], right: list[Form]) -> bool:
    """Whether each part has an equal one in the other list. Those that are written alike are paired first."""
    unpaired, others = list(right), []
    for form in left:
        if form in unpaired:
            unpaired.remove(form)
        else:
            others.append(form)
    if len(others) > MOST:
        return False
    for form in others:
        partner = next((other for other in unpaired if _same(form, other)), None)
        if partner is None:
            return False
        unpaired.remove(partner)
    return True


def _same_expression(a: str, b: str) -> bool:
    if a == b:
        return True
    bases = _BASE.fullmatch(a), _BASE.fullmatch(b)
    if bases[0] or bases[1]:  # 101_2 is 101 where base 2 is asked for, and never 101_3
        return not all(bases) and _same_expression(*(found[1] if found else text for found, text in zip(bases, (a, b), strict=True)))
    values = _value(a), _value(b)
    if None not in values:
        return values[0] == values[1]
    if max(len(a), len(b)) > LONGEST or not a or not b or _WORDS.fullmatch(a) or _WORDS.fullmatch(b):
        return False
    return minerva.difference_is_zero(a, b)


def _value(text: str) -> Fraction | None:
    """The value of an integer, a decimal, a fraction or a mixed number; None if the text is none."""
    found = _VALUE.fullmatch(text)
    if not found:
        return None
    if found["number"]:
        value = Fraction(found["number"])
    elif found["repeated"]:
        period = Fraction(int(found["repeated"]), 10 ** len(found["repeated"]) - 1)
        value = Fraction(f"{found['before']}.{found['fixed']}0") + period / 10 ** len(found["fixed"])
    else:
        above, below = Fraction(found["above"] or found["over"]), Fraction(found["below"] or found["under"])
        if not below or (found["whole"] and not 0 < above < below):
            return None
        value = int(found["whole"] or 0) + above / below
    return -value if found["sign"] else value
