"""DROP: the traps of its normalisation, alignment and spans."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gemma_eval.data.rows import Row
from gemma_eval.metrics import drop
from gemma_eval.metrics import hf_evaluate as metrics
from gemma_eval.task.base import Generation
from gemma_eval.task.registry import registry
from gemma_eval.types import ItemScore

NO_DATE = {"day": "", "month": "", "year": ""}


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The  Linnet!", "linnet"),
        ("1,250", "1250.0"),
        ("4.50", "4.5"),
        ("-3", "3.0"),  # the hyphen parts tokens before numbers are looked for: so does the official script
        ("23-yard", "23.0 yard"),
        ("$5", "5.0"),
        ("41.5%", "415.0"),  # likewise: punctuation goes first unless the whole token is a number
        ("the", ""),
    ],
)
def test_normalize(text: str, normalized: str) -> None:
    assert drop.normalize(text) == normalized


@pytest.mark.parametrize(
    ("answer", "gold", "f1", "exact"),
    [
        (["the Linnet"], ["Linnet"], 1.0, 1.0),
        (["Gannet", "Teal"], ["Teal", "Gannet"], 1.0, 1.0),
        (["Teal"], ["Teal", "Gannet"], 0.5, 0.0),
        (["Teal", "Gannet", "Wren"], ["Teal", "Gannet"], 0.67, 0.0),
        (["Teal", "Teal"], ["Teal", "Gannet"], 0.5, 0.0),
        (["4 hours"], ["5 hours"], 0.0, 0.0),  # "hours" agrees, the number does not
        (["5 hours or 6"], ["5 hours"], 0.67, 0.0),
        (["3 June"], ["3 June 1921"], 0.8, 0.0),
    ],
)
def test_f1_and_exact_match(answer: list[str], gold: list[str], f1: float, exact: float) -> None:
    assert drop.f1(answer, gold) == f1
    assert drop.exact_match(answer, gold) == exact


def test_readings_of_a_line() -> None:
    assert drop.readings("Linnet") == [["Linnet"]]
    assert drop.readings("Teal and Gannet") == [["Teal and Gannet"], ["Teal", "Gannet"]]
    assert ["Washington, D.C.", "Paris"] in drop.readings("Washington, D.C.; Paris")
    assert ["Trinidad and Tobago", "Cuba"] in drop.readings("Trinidad and Tobago, Cuba")
    assert drop.readings("a, b, and c")[-1] == ["a", "b", "c"]


def row(number: str = "", spans: tuple[str, ...] = (), date: dict[str, str] = NO_DATE, others: tuple[str, ...] = ()) -> Row:
    blank = [""] * len(others)
    return {
        "section_id": "s",
        "passage": "p",
        "question": "q",
        "answer": {"number": number, "spans": list(spans), "date": date},
        "validated_answers": {"number": list(others), "spans": [[] for _ in others], "date": [NO_DATE for _ in blank]},
    }


def scores(text: str, item: Row) -> Mapping[str, ItemScore]:
    task = registry()["drop"]()
    assert isinstance(task, Generation)
    return task.grade(text, task.target(item)).scores


def test_answers_are_numbers_dates_or_spans() -> None:
    task = registry()["drop"]()
    assert isinstance(task, Generation)
    assert task.target(row(number="4", others=("4", "5", ""))) == [["4"], ["5"]]  # each once, and no empty answer
    assert task.target(row(date={"day": "", "month": "March", "year": "1953"})) == [["March 1953"]]
    assert task.solution(row(spans=("a bindery", "a shop"))) == "a bindery, a shop"
    assert task.solution(row(spans=("Port Alder, Maine", "the quay"))) == "Port Alder, Maine; the quay"


def test_a_list_counts_in_full_and_one_span_in_part() -> None:
    assert scores(" Teal and Gannet", row(spans=("Teal", "Gannet"))) == {"f1": 1.0, "exact_match": 1.0, "f1_one_span": 0.25}
    assert scores(" 6", row(number="4", others=("4", "6"))) == {"f1": 1.0, "exact_match": 1.0, "f1_one_span": 1.0}
    assert scores(" ", row(number="4")) == {"f1": 0.0, "exact_match": 0.0, "f1_one_span": 0.0}


def test_decimals_are_not_cut() -> None:
    task = registry()["drop"]()
    assert isinstance(task, Generation)
    assert task.stop == ["\n"]


def test_as_evaluate_metric() -> None:
    found = metrics.DROPF1().compute(predictions=[["Teal"], ["4.50"]], references=[[["Teal", "Gannet"]], [["4"], ["4.5"]]])
    assert found == {"f1": 0.75, "exact_match": 0.5}
