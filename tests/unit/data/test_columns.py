from __future__ import annotations

import math
from time import perf_counter
from typing import Any

import pytest

from gemma_eval.data.columns import BadRowError, CheckedRow, Kinds, NoColumnError, learned, plain
from gemma_eval.errors import DataError
from gemma_eval.types import Image

SHOWN = {
    "question": "Why?",
    "label": 0,
    "digits": "7",
    "share": 0.5,
    "good": True,
    "image": Image(b"png"),
    "choices": ["a", "b"],
    "gold": [0, 2],
    "answer": {"value": "x", "aliases": ["x", "y"], "dates": [{"year": "1999"}]},
    "unused": None,
    "empty": [],
}
COLUMNS = learned([SHOWN, SHOWN | {"worked": None}, SHOWN | {"worked": "Because."}])


def row(**changed: Any) -> CheckedRow:
    return CheckedRow(SHOWN | {"worked": "Because."} | changed, COLUMNS, lambda: "task: repo row=3")


def test_kinds_in_words() -> None:
    assert {name: str(kinds) for name, kinds in COLUMNS.items()} == {
        "question": "text",
        "label": "whole number",
        "digits": "text",
        "share": "number",
        "good": "truth value",
        "image": "image",
        "choices": "list of text",
        "gold": "list of whole number",
        "answer": "mapping",
        "unused": "a value",
        "empty": "list of a value",
        "worked": "text",
    }
    assert str(learned([{"a": "x"}, {"a": 1}, {"a": ["x"]}])["a"]) == "text or whole number or list of text"


def test_good_columns_are_as_they_are() -> None:
    for name, value in SHOWN.items():
        if name != "answer":
            assert row()[name] == value
    assert row()["answer"]["value"] == "x" and row()["answer"]["aliases"] == ["x", "y"]
    assert [date["year"] for date in row()["answer"]["dates"]] == ["1999"]
    assert dict(row()).keys() == SHOWN.keys() | {"worked"} and "label" in row() and "other" not in row()  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        ("question", None, "found null, expected text"),
        ("question", math.nan, "found null, expected text"),
        ("question", ["a"], "found a list of 1, expected text"),
        ("question", {"a": 1}, "found a mapping with a, expected text"),
        ("question", True, "found truth value True, expected text"),
        ("question", 0.5, "found number 0.5, expected text"),
        ("question", b"x", "found bytes b'x', expected text"),
        ("label", "one", "found text 'one', expected whole number"),
        ("label", 1.5, "found number 1.5, expected whole number"),
        ("label", math.inf, "found number inf, expected whole number"),
        ("digits", 7.0, "found number 7.0, expected text"),
        ("label", True, "found truth value True, expected whole number"),
        ("share", math.nan, "found null, expected number"),
        ("good", 1, "found whole number 1, expected truth value"),
        ("image", None, "found null, expected image"),
        ("image", "a.png", "found text 'a.png', expected image"),
        ("choices", "ab", "found text 'ab', expected list of text"),
        ("choices", {"text": ["a"]}, "found a mapping with text, expected list of text"),
        ("answer", ["x"], "found a list of 1, expected mapping"),
        ("question", {f"long {i}": 0 for i in range(99)}, "expected text"),
    ],
)
def test_bad_columns_are_named(column: str, value: Any, found: str) -> None:
    with pytest.raises(BadRowError, match=rf"^task: repo row=3: bad row: column '{column}': .*{found}\. Mend") as error:
        row(**{column: value})[column]
    assert isinstance(error.value, DataError | ValueError) and len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("read", "value", "path"),
    [
        (lambda bad: bad["choices"], {"choices": ["a", None]}, r"choices\[1\]': found null, expected text"),
        (lambda bad: bad["gold"], {"gold": [0, 0.5]}, r"gold\[1\]': found number 0.5"),
        (lambda bad: bad["answer"]["value"], {"answer": {"value": None}}, r"answer\.value': found null"),
        (lambda bad: bad["answer"]["aliases"], {"answer": {"aliases": "x"}}, r"answer\.aliases': found text"),
        (
            lambda bad: bad["answer"]["dates"][0]["year"],
            {"answer": {"dates": [{"year": []}]}},
            r"answer\.dates\[0\]\.year': found a list of 0",
        ),
    ],
)
def test_values_inside_are_checked_and_named_by_their_path(read: Any, value: dict[str, Any], path: str) -> None:
    with pytest.raises(BadRowError, match=rf"column '{path}"):
        read(row(**value))


def test_a_missing_column_is_a_key_error_too() -> None:
    with pytest.raises(NoColumnError, match=r"^task: repo row=3: no column 'other'; it has question, label, ") as error:
        row()["other"]
    assert isinstance(error.value, KeyError)
    with pytest.raises(NoColumnError, match=r"no column 'answer\.value'; it has aliases"):
        row(answer={"aliases": []})["answer"]["value"]


def test_null_is_allowed_where_the_bundled_rows_show_it_or_the_page_asks_for_it() -> None:
    assert row(worked=None)["worked"] is None and row(worked=math.nan)["worked"] is None
    assert row(question=None).get("question") is None and row(question=math.nan).get("question", "none") == "none"
    assert row().get("other") is None and row().get("question") == "Why?"
    with pytest.raises(BadRowError, match="column 'question': found a list of 0"):
        row(question=[]).get("question")
    with pytest.raises(BadRowError, match="column 'worked': found truth value True"):
        row(worked=True)["worked"]


def test_whole_numbers_and_their_digits_stand_for_each_other() -> None:
    assert row(label="12")["label"] == 12 and row(label="-1")["label"] == -1
    assert row(label=1.0)["label"] == 1 and type(row(label=1.0)["label"]) is int
    assert row(digits=12)["digits"] == "12" and row(choices=["a", 3])["choices"] == ["a", "3"]
    assert row(gold=["0", 2, 1.0])["gold"] == [0, 2, 1]
    assert row(share=2)["share"] == 2


def test_columns_that_the_bundled_rows_do_not_show_may_hold_anything_but_null() -> None:
    for value in ("text", 3, 0.5, True, [1, "a"], b"x"):
        assert row(other=value)["other"] == value and row(unused=value)["unused"] == value
    assert row(other={"a": [{"b": 1}]})["other"]["a"][0]["b"] == 1
    for null in (None, math.nan, [None], [[1], [None]]):
        with pytest.raises(BadRowError, match=r"column 'other(\[\d\])*': found null, expected a value"):
            row(other=null)["other"]
    with pytest.raises(BadRowError, match=r"column 'other\.a': found null"):
        row(other={"a": None})["other"]["a"]


def test_a_checked_value_as_plain_json() -> None:
    answer = row()["answer"]
    assert not isinstance(answer, dict) and plain(answer) == SHOWN["answer"] and repr(answer) == repr(SHOWN["answer"])
    assert plain([1, ("a", None)]) == [1, ["a", None]] and plain("text") == "text"
    assert all(isinstance(date, dict) for date in plain({"dates": answer["dates"]})["dates"])


def test_only_what_is_read_is_looked_at() -> None:
    class Lazy(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            assert name == "question", "another column was read"
            return "Why?"

    assert CheckedRow(Lazy(question="", image=""), COLUMNS, lambda: "")["question"] == "Why?"


def test_the_last_column_read_is_known() -> None:
    read = row()
    assert read.last_read == ""
    _ = read["label"], read["answer"]["dates"][0]["year"]
    assert read.last_read == "answer.dates[0].year"
    read.get("worked")
    assert read.last_read == "worked"


def test_reading_a_column_is_fast() -> None:
    """Rows number 100,000 and more. The bound is twenty times what it takes on one slow core."""
    read = row()
    start = perf_counter()
    for _ in range(20_000):
        read["question"]
    assert (perf_counter() - start) / 20_000 < 10e-6


def test_nothing_learned_is_no_kind() -> None:
    assert Kinds().unknown and not COLUMNS["empty"].unknown and learned([]) == {}
