# ruff: noqa: RUF001  the mathematical signs of Unicode are meant
"""Answers to competition problems: which are the same, and which only look alike."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.metrics import math_answer
from gemma_eval.metrics.hendrycks import is_equiv
from gemma_eval.metrics.latex import spell
from gemma_eval.metrics.math_answer import equal
from tests.dressing import CHANGES

TOWER = "9^{9^{9^{9}}}"

SAME = [
    # dress
    (r"\left(3,2,4\right)", "(3,2,4)"),
    (r"\bigl( 3, 2, 4 \bigr)", "(3,2,4)"),
    (r"\dfrac{1}{2},\dfrac{3}{4}", r"\frac{1}{2}, \frac34"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \\ \end{pmatrix}"),
    (r"\begin{pmatrix} 1 \\[1ex] 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
    (r"\left( \begin{array}{cc} 1 & 2 \\ 3 & 4 \end{array} \right)", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
    (r"\begin{pmatrix} \frac{1}{2} \\ 0 \end{pmatrix}", r"\begin{pmatrix} 1/2 \\ 0.0 \end{pmatrix}"),
    (r"10\pi", r"10 \pi"),
    ("3π", r"3\pi"),
    ("√8", r"2\sqrt2"),
    ("sqrt(2)/2", r"\frac{\sqrt2}{2}"),
    ("x²+1", "x^{2} + 1"),
    ("−5", "-5"),
    (r"\(5\)", "$5$"),
    (r"\boxed{5}", "5"),
    (r"\\frac{1}{2}", r"\frac12"),
    (r"5.", "5"),
    ("90°", r"90^\circ"),
    (r"45^{\circ}, 135^\circ", "45, 135"),
    # numbers
    ("28", r"28\%"),
    ("28%", "28"),
    ("0.5", "1/2"),
    (".5", "0.50"),
    ("½", "0.5"),
    ("2.50", "2.5"),
    (r"0.\overline{3}", r"\frac13"),
    ("007", "7"),
    ("1,000", "1000"),
    ("1{,}000", "1000"),
    (r"1\,000", "1000"),
    (r"11,\! 111,\! 100", "11111100"),
    ("2,000.50", "2000.5"),
    ("100,200", "100200"),
    ("100,200", "100, 200"),
    (r"1\frac12", "3/2"),
    ("1 1/2", r"\frac{3}{2}"),
    (r"137 \frac{1}{2}", "137.5"),
    (r"\frac{-1}{2}", r"-\frac{1}{2}"),
    (r"\frac{2}{4}", "0.5"),
    ("-0.5", r"-\frac{1}{2}"),
    ("+5", "5"),
    ("10^5", "100000"),
    (r"1.2\times 10^5", "120000"),
    (r"\$5", "5"),
    (r"\$32,\!348", "32348"),
    ("9" * 5000, "9" * 5000),
    # units and words
    (r"5\text{ cm}", "5"),
    (r"5\,\mathrm{cm}^{2}", "5"),
    (r"864 \mbox{ inches}^2", "864"),
    ("12 square inches", "12"),
    ("5 cm", "5"),
    (r"\frac{270}7\text{ degrees}", r"\frac{270}{7}"),
    (r"90\text{ square" + "\n" + "units}", "90"),
    (r"\text{Evelyn}", "evelyn"),
    (r"\text{even}", "even"),
    (r"\text{(C)}", "C"),
    (r"(\text{E})", r"\text{E}"),
    (r"\text{4:30 p.m.}", "4:30 pm"),
    (r"\text{June 20}", "June 20"),
    (r"\text{a circle}", r"\text{circle}"),
    ("a circle", r"\text{circle}"),
    (r"(3,4)\text{ cm}", "(3,4)"),
    ("3:1", "3 : 1"),
    ("2516_8", "2516_{8}"),
    ("2516", "2516_8"),
    # lists, sets, intervals
    (r"\{1,2\}", r"\{2,1\}"),
    ("{1,2}", "{2,1}"),
    ("-2, 1", "1,-2"),
    (r"19 \text{ and }43", "43, 19"),
    (r"7, -2, \text{ and } -5", "-5, -2, 7"),
    (r"\text{B, E, G}", "B,E,G"),
    (r"3\pm2\sqrt2", r"3+2\sqrt{2}, 3-2\sqrt{2}"),
    ("±3", "3, -3"),
    (r"\{1\pm\sqrt{5},-2\}", r"\{-2, 1-\sqrt5, 1+\sqrt5\}"),
    (r"(-\infty,2)\cup(3,\infty)", r"(3,+\infty) \cup (-\infty, 2)"),
    (r"(\tfrac12, \tfrac32]", r"\left(0.5,\frac{3}{2}\right]"),
    ("[0,1]", r"0\le x\le 1"),
    (r"(3,\infty)", "x>3"),
    (r"x \in [-2,7]", "[-2,7]"),
    ("⟨1, 2⟩", r"\langle 1,2 \rangle"),
    # names and equations
    ("x=5", "5"),
    ("f(x)=2x+1", "2x+1"),
    ("y=2x+3", "2x+3"),
    ("a+b=5", "5"),
    ("2+3=5", "5"),
    (r"x=\pm 3", "-3,3"),
    ("y=2,x=1", "x=1, y=2"),
    ("x^2+y^2=13", "y^2+x^2 = 13"),
    # algebra
    ("(x-1)(x+1)", "x^2-1"),
    (r"\sqrt8", r"2\sqrt2"),
    (r"\frac{1}{\sqrt2}", r"\frac{\sqrt2}{2}"),
]  # fmt: skip

DIFFERENT = [
    ("(1,2)", "[1,2]"),
    ("(1,2)", "(1,2]"),
    ("(1,2)", "(2,1)"),
    ("(1,2)", "1,2"),
    ("(1,2)", r"\{1,2\}"),
    ("(1,2)", "12"),
    ("(1,2,3)", "(1,2)"),
    ("(1,2),(3,4)", r"(1,2)\cup(3,4)"),
    ("(1,2),(3,4)", "(1,3),(2,4)"),
    (r"(1,2)\cup(3,4)", "(1,4)"),
    (r"(-\infty,3)", r"(-\infty,3]"),
    (r"(-\infty,3)", r"(3,\infty)"),
    (r"(-\infty,3)", r"(\infty,3)"),
    (r"[0,1]\cup\{2\}", "[0,1]"),
    (r"\{1,2\}", r"\{1,2,3\}"),
    (r"\{1,2\}", r"\{1,3\}"),
    ("1,1,2", "1,2"),
    ("1,2", "1.2"),
    ("1,2", "12"),
    ("1,2", "1/2"),
    ("1,000", "1"),
    ("1,000", "1,0"),
    ("1,234", "1.234"),
    ("12,34", "1234"),
    ("-5", "5"),
    ("−5", "5"),
    (r"\pm3", "3"),
    (r"\pm3", "-3"),
    (r"2\pm\sqrt3", r"2+\sqrt3"),
    (r"3\pm\sqrt2", r"2\pm\sqrt3"),
    ("10^{5}", "105"),
    ("10^5", "10^6"),
    ("2^{10}", r"2^1 \cdot 0"),
    ("x^{12}", "x^1 2"),
    ("x_1", "x_2"),
    ("0.33", "1/3"),
    ("0.333333", r"\frac13"),
    ("3.14", r"\pi"),
    (r"3\pi", "3"),
    (r"3\pi", r"3\pi^2"),
    ("5 x", "5"),
    ("5x", "5"),
    ("2ab", "2"),
    ("2i", "2"),
    ("i", "1"),
    ("n!", "n"),
    (r"\frac12", "12"),
    (r"\frac{1}{2}", r"\frac{2}{1}"),
    (r"1\frac12", r"\frac{1}{2}"),
    (r"1\frac12", r"\frac{11}{2}"),
    ("1/2", "1"),
    ("1/2", "2"),
    (r"\sqrt{23}", r"\sqrt{2}3"),
    (r"\sqrt{2}", "2"),
    (r"\sqrt[3]{8}", r"\sqrt{8}"),
    (r"\sqrt[3]{2}", r"3\sqrt{2}"),
    ("x^2+y^2=13", "13"),
    ("x^2+y^2=13", "x^2-y^2=13"),
    ("y=2x", "y=3x"),
    ("y=2x+3", "y=2x"),
    ("x=1,y=2", "x=2,y=1"),
    ("x>3", "x<3"),
    ("x>3", r"x\geq3"),
    (r"x\ge3", r"(3,\infty)"),
    (r"\text{even}", r"\text{odd}"),
    ("a circle", "a"),
    ("a", r"a\text{circle}"),
    (r"\text{a circle}", r"\text{an ellipse}"),
    (r"\text{(A)}", r"\text{(B)}"),
    (r"\text{A,D}", "A"),
    (r"\text{Monday}", r"\text{Sunday}"),
    ("4:30 pm", "4:30 am"),
    ("3:1", "1:3"),
    ("3:1", "31"),
    ("101_2", "101_3"),
    ("101_2", "1012"),
    (r"\begin{pmatrix}1&2\end{pmatrix}", "(1,2)"),
    (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}2\\1\end{pmatrix}"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
    (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
    ("[5]", "5"),
    ("|x|", "x"),
    ("f(2) < f(1) < f(4)", "f(1) < f(2) < f(4)"),
    ("x+1", "x+2"),
    ("\\frac{1}{0}", "1"),
    ("", "0"),
    ("$", "0"),
    ("9" * 5000, "9" * 4999 + "8"),
    ("9" * 5000, "9"),
    (TOWER, "7"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "gold"), SAME)
def test_the_same_answers(answer: str, gold: str) -> None:
    assert equal(answer, gold) and equal(gold, answer)


@pytest.mark.parametrize(("answer", "gold"), DIFFERENT)
def test_different_answers(answer: str, gold: str) -> None:
    assert not equal(answer, gold) and not equal(gold, answer)


def test_every_answer_of_the_tables_equals_itself() -> None:
    assert len(DIFFERENT) >= 60
    assert [answer for pair in SAME + DIFFERENT for answer in pair if answer.strip("$") and not equal(answer, answer)] == []


def test_what_the_authors_accept_is_accepted() -> None:
    """Their rule takes any text behind a unit, and a name of one letter, for nothing."""
    for answer, gold in [(r"5\text{ inches}", r"5\text{ digits}"), ("x=5", "y=5"), (r"12\text{ and }13", "12")]:
        assert is_equiv(answer, gold) and equal(answer, gold)


@pytest.mark.parametrize(
    ("answer", "gold", "right"),
    [
        ("x^2 = 36", "36", True),
        ("a^2+b^2 = 2 + 11 = 13", "13", True),
        ("x^2+y^2=13", "13", True),
        ("13", "x^2+y^2=13", False),
        ("x^2-y^2=13", "x^2+y^2=13", False),
        ("x^2 = 36", "6", False),
        ("x=1, y=2", "2", False),
    ],
)
def test_an_equation_may_give_the_answer_but_the_answer_no_equation(answer: str, gold: str, right: bool) -> None:
    assert math_answer.right(answer, gold) is right


# -- generated answers ---------------------------------------------------------------------------------------------

INTEGERS = st.integers(-9999, 9999).map(str)
DIGITS = st.integers(1, 9).map(str)
FRACTIONS = st.builds(lambda sign, a, b: rf"{sign}\frac{{{a}}}{{{b}}}", st.sampled_from(["", "-"]), DIGITS, DIGITS)
ROOTS = st.builds(lambda a, b: rf"{a}\sqrt{{{b}}}", DIGITS, DIGITS)
DECIMALS = st.decimals(-99, 99, places=2).map(str)
VALUES = st.one_of(INTEGERS, FRACTIONS, ROOTS, DECIMALS, st.sampled_from(["x", r"2\pi", "x^2 - 1", r"\text{even}", r"30^\circ"]))


def _bracketed(brackets: tuple[str, str]) -> st.SearchStrategy[str]:
    return st.lists(VALUES, min_size=2, max_size=4).map(lambda items: brackets[0] + ", ".join(items) + brackets[1])


ROWS = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(VALUES, min_size=width, max_size=width).map(" & ".join), min_size=1, max_size=3)
)
MATRICES = ROWS.map(lambda rows: r"\begin{pmatrix} " + r" \\ ".join(rows) + r" \end{pmatrix}")
ANSWERS = st.one_of(VALUES, *map(_bracketed, [("(", ")"), ("[", ")"), (r"\{", r"\}"), ("", "")]), MATRICES)


@settings(deadline=None, max_examples=150)
@given(ANSWERS, st.lists(st.sampled_from(sorted(CHANGES)), max_size=3))
def test_dress_does_not_count(answer: str, changes: list[str]) -> None:
    dressed = answer
    for change in changes:
        dressed = CHANGES[change](dressed)
    assert equal(dressed, answer) and equal(answer, dressed)


@settings(deadline=None, max_examples=60)
@given(st.lists(INTEGERS, min_size=2, max_size=5, unique_by=int), st.data())
def test_order_counts_in_brackets_alone(items: list[str], data: st.DataObject) -> None:
    mixed = data.draw(st.permutations(items))
    assert equal(rf"\{{{','.join(items)}\}}", rf"\{{{', '.join(mixed)}\}}")
    assert equal(f"({', '.join(items)})", f"({', '.join(mixed)})") == (mixed == items)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-99, 99), min_size=1, max_size=4), st.data())
def test_another_number_is_another_answer(numbers: list[int], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(numbers) - 1))
    other = [*numbers[:at], numbers[at] + data.draw(st.sampled_from([-1, 1, 10])), *numbers[at + 1 :]]
    for form in ("({})", r"\left[{}\right)", r"\begin{{pmatrix}} {} \end{{pmatrix}}"):
        first, second = (form.format(", ".join(map(str, each))) for each in (numbers, other))
        assert not equal(first, second)


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="\\{}()[]^_$,&1x -frac/sqrtext", max_size=60))
def test_whatever_a_model_writes_has_a_spelling(text: str) -> None:
    assert isinstance(spell(text), list)
    assert all(isinstance(form, math_answer.Form) for form in math_answer.readings(text))


@pytest.mark.parametrize(
    "piece", ["^", r"\frac", "(", "{", r"\sqrt[", "-", r"\{", "1,", "x=", r"\text{", r"\pm ", r"\begin{pmatrix}", "_{"]
)
def test_what_is_nested_too_deep_is_no_answer(piece: str) -> None:
    for length in (100, 1900):
        text = (piece * length)[:length]
        assert not equal(text, "7")
        assert equal(text, text)


def test_spelling() -> None:
    assert spell(r"\left( \dfrac12,\, 1{,}000\text{ cm}^{2} \right)") == ["(", r"\frac{1}{2}", ",", "1000", '"cm', "^{2}", ")"]
    assert spell(r"2\pi r") == ["2", r"\pi", "r"]
    assert re.fullmatch(r"\d+", "".join(spell("1 000 000".replace(" ", r"\,"))))
