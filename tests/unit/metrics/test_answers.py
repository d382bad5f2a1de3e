from __future__ import annotations

import pytest

from gemma_eval.metrics import choice, math, qa


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The  Beatles", "beatles"),
        ("St. Louis", "st louis"),
        ("J.R.R. Tolkien", "j r r tolkien"),
        ("an_apple", "apple"),
        ("\u2018Tis", "tis"),
    ],
)
def test_trivia_normalize(text: str, normalized: str) -> None:
    assert qa.trivia_normalize(text) == normalized


@pytest.mark.parametrize(("text", "normalized"), [("The U.S.A.", "usa"), ("a b\tthe  c", "b c"), ("Theatre", "theatre")])
def test_squad_normalize(text: str, normalized: str) -> None:
    assert qa.squad_normalize(text) == normalized


def test_exact_match_takes_any_gold() -> None:
    assert qa.exact_match("the Seine", ["Thames", "Seine"]) == 1.0
    assert qa.exact_match("Seine river", ["Seine"]) == 0.0


def test_a_gold_that_normalizes_to_nothing_is_not_matched_by_an_empty_answer() -> None:
    assert qa.exact_match("", ["The The", "A"]) == 0.0
    assert qa.exact_match("the the", ["The The"]) == 1.0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("so 3 + 4 = 7. The answer is 7.", "7"),
        ("The answer is $1,234.50.", "$1,234.50"),
        ("The answer is -3.", "-3"),
        ("The answer is: 12 apples", "12"),
        ("The answer is 1. Wait. The answer is 2.", "2"),
        ("The answer is unknown", None),
        ("7", None),
    ],
)
def test_number_after(text: str, found: str | None) -> None:
    assert math.number_after(text, "The answer is") == found


@pytest.mark.parametrize(("text", "found"), [("a 1 b 2,000.5 c", "2,000.5"), ("none", None), ("x = .5", ".5"), ("10 - 4", "4")])
def test_last_number(text: str, found: str | None) -> None:
    assert math.last_number(text) == found


@pytest.mark.parametrize(
    ("answer", "gold", "same"),
    [
        ("1,000", "1000", 1.0),
        ("18.00", "18", 1.0),
        ("$5", "5", 1.0),
        ("5%", "5", 1.0),
        ("-5", "5", 0.0),
        ("NaN", "NaN", 0.0),
        ("x", "5", 0.0),
    ],
)
def test_same_number(answer: str, gold: str, same: float) -> None:
    assert math.same_number(answer, [gold]) == same


def test_char_len_can_change_the_choice() -> None:
    # BoolQ: " no" is divided by 2, " yes" by 3
    assert choice.accuracy([-2.0, -2.4], gold=1, characters=[2, 3]) == {"acc": 0.0, "acc_norm": 1.0}


def test_ties_go_to_the_first_choice() -> None:
    assert choice.pick([-1.0, -1.0]) == 0
