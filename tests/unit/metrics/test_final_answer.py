"""What chat replies come to: the traps of reading numbers, words and formulas out of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.metrics import final_answer


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        ("The answer is 18.", "18"),
        ("The answer is **$1,234.50**.", "1,234.50"),
        ("Answer: £1,000 a year", "£1,000"),
        ("The answer is \\$18.", "18"),
        ("So she has \\boxed{1{,}000} of them", "1,000"),
        ("$\\boxed{12\\text{ dollars}}$", "12"),
        ("\\boxed{\\boxed{5}}", "5"),
        ("The answer is 6 * 7 = 42 apples. She has 3 left.", "42"),
        ("The answer is that Janet makes 18 dollars. That is for 9 eggs.", "18"),
        ("The answer is 18 dollars for 9 eggs.", "18"),
        ("The final answer is:\n\n$$\n-3\n$$", "-3"),
        ("The answer is not yet clear.\nThe answer is 7", "7"),
        ("The answer is 18. No: the answer is 20.", "20"),
        ("Adding up:\n\n**18**", "18"),
        ("She has 18 eggs", None),
        ("The answer is clear.", None),
        ("\\boxed{}", None),
        ("\\boxed{18", None),
    ],
)
def test_numbers(reply: str, number: str | None) -> None:
    assert final_answer.number(reply) == number


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("So the answer is False.", "False"),
        ("**The answer is:** ] ) }", "] ) }"),
        ("The answer is `apple, pear`", "apple, pear"),
        ("valid", "valid"),
        ("\\boxed{\\text{yes}}", "yes"),
        ("It follows.\nSo yes", None),
        ("", None),
    ],
)
def test_words(reply: str, words: str | None) -> None:
    assert final_answer.words(reply) == words


@pytest.mark.parametrize(
    ("reply", "formula"),
    [
        (r"Hence $\boxed{\frac{\sqrt{3}}{2}}$.", r"\frac{\sqrt{3}}{2}"),
        (r"\boxed{3} is wrong; \boxed{4}", "4"),
        (r"\boxed{5!}", "5!"),
        (r"$\boxed{-1+2i,-1-2i.}$", "-1+2i,-1-2i"),
        (r"$\boxed 5$", "5"),
        (r"\fbox{7}", "7"),
        (r"The answer is $x = 3.5$. I hope it is correct.", "x = 3.5"),
        (r"The final answer is \(\frac12\), since it halves.", r"\frac12"),
        (r"**Answer:** 3.5. It is small.", "3.5"),
        (r"\boxed{\frac{1}{2}", None),
        ("It is four", None),
    ],
)
def test_formulas(reply: str, formula: str | None) -> None:
    assert final_answer.formula(reply) == formula


PIECES = ["the answer is ", "Answer:", "\\boxed{", "}", "$", "**", "(A)", "7", "1,000", "\\text{", "\n", ". ", " = ", "a", "\u0663"]
REASONING = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=20).map("".join))


@given(REASONING)
def test_whatever_stands_before_the_last_statement_is_read(text: str) -> None:
    assert final_answer.number(f"{text}\n\nSo the answer is **-3,456.5**.") == "-3,456.5"
    assert final_answer.words(f"{text}\n\nThe answer is not valid.") == "not valid"
    assert final_answer.formula(f"{text}\n\n$\\boxed{{\\frac{{1}}{{2}}}}$") == r"\frac{1}{2}"
