"""What chat replies come to: the traps of reading letters, numbers, words and formulas out of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.metrics import final_answer


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("The answer is (B).", "B"),
        ("**Answer:** C", "C"),
        ("**Answer**: C", "C"),
        ("The correct answer is **D**.\n\nI hope this helps!", "D"),
        ("Option A is wrong, and so is C. The answer is option B: it floats.", "B"),
        ("At first sight the answer is (A). On reflection, the answer is (C).", "C"),
        ("The answer is (A).\n\nWait, no: $\\boxed{\\text{(D)}}$", "D"),
        ("The final answer is:\n\n(B) copper", "B"),
        ('You asked to finish with "The answer is (X)."\nThe answer is (J).', "J"),
        ("答案是B。\n\nAnswer：B", "B"),  # noqa: RUF001
        ("The answer is (D).\n\nThe answer is (X).", "D"),  # the instruction's own words are no answer
        ("The answer is (X).", None),
        ("B", "B"),
        ("(C)", "C"),
        ("**B. Paris**", "B"),
        ("Let me think.\n\nA)", "A"),
        ("(A) iron\n(B) copper", None),  # the options over again
        ("the answer is because of A", None),
        ("The answer is Because.", None),
        ("the answer is b", None),
        ("A good question has no letter", None),
        ("It is either (A) or (B).", None),
        ("", None),
    ],
)
def test_letters(reply: str, letter: str | None) -> None:
    assert final_answer.letter(reply) == letter


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        ("The answer is 18.", "18"),
        ("The answer is **$1,234.50**.", "1,234.50"),
        ("Answer: £1,000 a year", "1,000"),
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
    assert final_answer.letter(f"{text}\n\nThe answer is (B).") == "B"
    assert final_answer.number(f"{text}\n\nSo the answer is **-3,456.5**.") == "-3,456.5"
    assert final_answer.words(f"{text}\n\nThe answer is not valid.") == "not valid"
    assert final_answer.formula(f"{text}\n\n$\\boxed{{\\frac{{1}}{{2}}}}$") == r"\frac{1}{2}"
