"""Answers to questions on images: ChartQA's numbers with currencies, and counts."""

from __future__ import annotations

import pytest

from gemma_eval.metrics import chartqa, counting


@pytest.mark.parametrize(
    ("answer", "gold", "right", "as_written"),
    [
        ("$5", "$5", 1.0, 1.0),
        ("$5", "5", 1.0, 0.0),
        ("5", "$5", 1.0, 0.0),
        ("$ 5.1", "$5", 1.0, 0.0),
        ("5 \u20ac", "\u20ac5", 1.0, 0.0),
        ("\u20ac5", "$5", 0.0, 0.0),
        ("5\u20ac", "$5", 0.0, 0.0),
        ("\u00a31,000", "1000 \u00a3", 1.0, 0.0),
        ("-$5", "-5", 1.0, 0.0),
        ("$-5", "-$5", 1.0, 0.0),
        ("-$5", "$5", 0.0, 0.0),
        ("\u22125", "-5", 1.0, 0.0),
        ("\uff11\uff18", "18", 1.0, 1.0),
        ("1,234", "1234", 1.0, 0.0),
        ("50%", "0.5", 1.0, 1.0),
        ("50%", "50", 0.0, 0.0),
        ("$", "$", 1.0, 1.0),
        ("\u20ac", "$", 0.0, 0.0),
        ("9" * 5000, "5", 0.0, 0.0),
        ("", "5", 0.0, 0.0),
    ],
)
def test_relaxed_accuracy(answer: str, gold: str, right: float, as_written: float) -> None:
    assert chartqa.relaxed(answer, gold) == right
    assert chartqa.relaxed_as_written(answer, gold) == as_written


@pytest.mark.parametrize(
    ("text", "whole", "first"),
    [
        ("5", "5", "5"),
        ("Five.", "5", "5"),
        ("1,200 people", None, "1200"),
        ("there are 12 of them, 3 red", None, "12"),
        ("3.5", None, None),
        ("1/2", None, None),
        ("twenty-one", None, None),
        ("\u56f3\u306b\u306f3\u5339", None, "3"),
        ("\u09eb", None, "5"),
        ("7cats", None, None),
        ("0" * 5000 + "5", "5", None),
    ],
)
def test_counts(text: str, whole: str | None, first: str | None) -> None:
    assert (counting.whole(text), counting.first(text)) == (whole, first)


def test_a_count_of_5000_digits_is_read() -> None:
    assert counting.whole("9" * 5000) == "9" * 5000
