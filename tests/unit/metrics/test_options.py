"""The letter of a chat reply: it depends on no dress, two letters are none, and words of one letter are no options.

`tests/corpus` holds replies with the letter to be read.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.metrics import agieval, blink, options
from gemma_eval.task.base import Generation
from gemma_eval.task.registry import registry

FRAMES = [
    "{}",
    "({})",
    "{}.",
    "{}) Paris",
    "The answer is {}.",
    "the answer is ({})",
    "Answer: {}",
    "Option {} is correct.",
    "Antwort: {}",
    "\u7b54\u6848\uff1a{}",
]
DRESSES: dict[str, Callable[[str], str]] = {
    "bold": lambda text: f"**{text}**",
    "italics": lambda text: f"_{text}_",
    "code": lambda text: f"`{text}`",
    "heading": lambda text: f"### {text}",
    "lines": lambda text: f"\n\n{text}\n\n",
    "windows": lambda text: f"{text}\r\n",
    "full width": lambda text: text.translate(str.maketrans("().:ABCD", "\uff08\uff09\uff0e\uff1a\uff21\uff22\uff23\uff24")),
    "unseen": lambda text: f"\u200e{text}\u200b\ufeff",
}
HEDGES = [
    "{} or {}",
    "({}) or ({})",
    "either {} or {}",
    "{}/{}",
    "{}, {}",
    "({}), ({})",
    "{} and {}",
    "{} & {}",
    "{}{}",
    "({})({})",
    "{} oder {}",
]
PIECES = [
    "the answer is ",
    "Answer:",
    "\\boxed{",
    "}",
    "$",
    "**",
    "(A)",
    "7",
    "\\text{",
    "\n",
    ". ",
    " = ",
    "a",
    "No, ",
    "correct option",
    "选",
]


@pytest.mark.parametrize("dress", DRESSES)
def test_a_letter_does_not_depend_on_its_dress(dress: str) -> None:
    for frame in FRAMES:
        for letter in "ABCD":
            assert options.letter(DRESSES[dress](frame.format(letter))) == letter, (dress, frame)


@pytest.mark.parametrize("frame", ["{}", "The answer is {}.", "**Answer:** {}", "$\\boxed{{{}}}$", '{{"answer": "{}"}}'])
def test_two_letters_are_no_answer(frame: str) -> None:
    for hedge in HEDGES:
        text = frame.format(hedge.format("A", "C"))
        assert options.letter(text) is None and blink.letter(text) is None and agieval.letter(text) is None, text
        assert options.letter_at_start(hedge.format("A", "C")) is None or hedge.startswith("either"), hedge


def test_a_hedge_scores_in_no_row() -> None:
    for name, text in [("bbh_it", "The answer is (A) or (B)."), ("bbh_it", "ANSWER: AB"), ("mmlu_it", "The answer is (A) or (B).")]:
        task = registry()[name]()
        assert isinstance(task, Generation)
        for letter in "AB":
            gold = f"({letter})" if name == "bbh_it" else letter
            assert task.grade(text, [gold]).scores["exact_match"] == 0.0, (name, text)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("(A)", "A"),
        ("d", "D"),
        ("b. 4", "B"),
        ("**B**", "B"),
        ("(R)", "R"),
        ("(A) or (B)", None),
        ("A car", None),
        ("Because", None),
        ("", None),
    ],
)
def test_letters_that_answers_of_bbh_begin_with(text: str, letter: str | None) -> None:
    assert options.letter_at_start(text) == letter


@pytest.mark.parametrize("word", ["a", "A", "I", "E"])
@pytest.mark.parametrize("frame", ["{} car", "The answer is {} car.", "Answer: {} car", "It is {} car", "{} think that it is so"])
def test_words_of_one_letter_are_no_options(word: str, frame: str) -> None:
    assert options.letter(frame.format(word)) is None


def test_letters_beyond_the_last_option_are_none() -> None:
    assert [options.letter("The answer is (E).", last) for last in "DE"] == [None, "E"]


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=20).map("".join)))
@settings(max_examples=150)
def test_whatever_stands_before_the_last_statement_is_read(text: str) -> None:
    assert options.letter(f"{text}\n\nThe answer is (B).") == "B"


@given(st.text(max_size=200))
@settings(max_examples=150)
def test_a_letter_is_an_option_or_none(text: str) -> None:
    assert options.letter(text) in {None, *"ABCDEFGHIJ"}
