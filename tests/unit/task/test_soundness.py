"""Whatever a page makes of a row is a sound item, or a bad row by name. The task's other rows, and other tasks, go on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.rows import ListedRows, Row
from gemma_eval.data.sources import Source
from gemma_eval.data.table import Table
from gemma_eval.errors import DataError, PluginError
from gemma_eval.metrics import qa
from gemma_eval.run.missing import Missing
from gemma_eval.task.base import Generation, MultipleChoice, Task
from gemma_eval.task.fewshot import Fewshot
from gemma_eval.task.samples import TaskSamples, build
from gemma_eval.types import Image, Sample, Score, as_text

GOOD = {"question": "Why?", "choices": ["so", "thus"], "answer": 1, "answers": ["so"], "id": "1"}


@dataclass
class Chosen(MultipleChoice):
    """A page without bundled rows."""

    dataset: DatasetRef = field(default_factory=lambda: DatasetRef("example/chosen", fewshot_split="train"))

    name = "chosen"

    def query(self, row: Row) -> Any:
        return row["question"]

    def choices(self, row: Row) -> Any:
        return row["choices"]

    def answer(self, row: Row) -> Any:
        return row["answer"]


@dataclass
class Written(Generation):
    """A page without bundled rows."""

    dataset: DatasetRef = field(default_factory=lambda: DatasetRef("example/written", fewshot_split="train"))

    name = "written"

    def query(self, row: Row) -> Any:
        return row["question"]

    def golds(self, row: Row) -> Any:
        return row["answers"]

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(qa.squad_normalize(answer) in map(qa.squad_normalize, golds))


class Listed:
    """A source of these rows, the second as it is changed; all splits but the scored one are as they are."""

    kind = "samples"

    def __init__(self, changed: Row, split: str = "test") -> None:
        self._changed = changed
        self._split = split

    def table(self, ref: DatasetRef, split: str, samples: Path) -> Table:
        rows = [dict(GOOD), {**GOOD, **self._changed} if split == self._split else dict(GOOD), dict(GOOD)]
        return Table(ref.repo, split, ListedRows(rows, Path()), ["0", "1", "2"], [""] * 3, "listed")

    def available(self, ref: DatasetRef, samples: Path) -> str:
        return "bundled"


def built(page: type[Task], changed: Row, split: str = "test", **set_to: Any) -> TaskSamples:
    source: Source = Listed(changed, split)
    return build(page(seed=1, **set_to), source)


def reason(page: type[Task], changed: Row) -> str:
    """Why the changed row is refused. The others are samples."""
    made = built(page, changed)
    assert [sample.id for sample in made.samples] == ["0", "2"] and list(made.refused) == ["1"]
    said = made.refused["1"]
    assert re.match(rf"{page.name}: example/{page.name} config=default split=test row=1: bad row: ", said) and "\n" not in said
    return said.partition("bad row: ")[2]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"question": None}, "column 'question': found null"),
        ({"question": "  \n"}, "the prompt has no query but white space"),
        ({"question": 3}, "TypeError: "),
        ({"question": "half \ud83d"}, r"'\\ud83d' is half of a surrogate pair"),
        ({"choices": "so"}, r"TypeError: choices\(\): found str 'so', expected a list of texts"),
        ({"choices": []}, "answer 1 is not among 0 choices"),
        ({"choices": ["so"], "answer": 0}, "1 choices, where there must be two or more"),
        ({"choices": ["so", " "]}, "choice 1 is blank"),
        ({"choices": ["so", "so"]}, "all choices are 'so'"),
        ({"choices": ["so", None]}, r"column 'choices\[1\]': found null"),
        ({"choices": ["so", 3]}, r"TypeError: choices\(\)\[1\]: found int 3, expected text"),
        ({"choices": ["so", "half \udc00"]}, r"'\\udc00' is half of a surrogate pair"),
        ({"choices": {"a": "so"}}, r"TypeError: choices\(\): found CheckedRow"),
        ({"answer": 2}, "answer 2 is not among 2 choices"),
        ({"answer": -1}, "answer -1 is not among 2 choices"),
        ({"answer": "1"}, "TypeError: 'str' object cannot be interpreted as an integer"),
        ({"answer": 1.0}, "TypeError: 'float' object cannot be interpreted as an integer"),
        ({"answer": float("nan")}, "column 'answer': found null"),
        ({"answer": float("inf")}, "column 'answer': found number inf"),
    ],
)
def test_a_multiple_choice(changed: Row, said: str) -> None:
    assert re.match(said, reason(Chosen, changed))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"answers": None}, "column 'answers': found null"),
        ({"answers": []}, "no gold answer"),
        ({"answers": ["", " \n"]}, "no gold answer but white space"),
        ({"answers": "so"}, r"TypeError: golds\(\): found str 'so', expected a list of texts"),
        ({"answers": [None]}, r"column 'answers\[0\]': found null"),
        ({"answers": ["so", None]}, r"column 'answers\[1\]': found null"),
        ({"answers": [3]}, r"TypeError: golds\(\)\[0\]: found int 3, expected text"),
        ({"answers": ["the"]}, r"gold answers \['the'\] make an empty answer right"),
        ({"answers": ["so", "?!"]}, r"gold answers \['so', '\?!'\] make an empty answer right"),
        ({"answers": ["half \ud83d"]}, r"'\\ud83d' is half of a surrogate pair"),
        ({"question": []}, "the prompt has no query|TypeError|AttributeError"),
    ],
)
def test_a_generation(changed: Row, said: str) -> None:
    assert re.match(said, reason(Written, changed))


def test_an_answer_that_is_never_right_is_no_item() -> None:
    class Never(Written):
        """Its judge knows no right answer."""

        def judge(self, answer: str, golds: list[str]) -> float:
            return float(answer.isdecimal() and answer in golds)

    with pytest.raises(DataError, match=r"row=0: bad row: gold answer 'so' can be no right answer.*\. 2 other rows are bad too$"):
        built(Never, {})
    assert reason_of_first(Never, {"answers": ["7"]}) == ["1"]


def reason_of_first(page: type[Task], changed: Row) -> list[str]:
    return [sample.id for sample in built(page, changed).samples]


def test_nul_characters_and_long_texts_are_text() -> None:
    for text in ("nul \0 inside", "long " * 200_000):
        made = built(Written, {"question": text, "answers": [text]})
        assert not made.refused and as_text(made.samples[1].request.prompt.query) == text


class Raising(Chosen):
    """Fails on one row, in any way."""

    fails: Callable[[], Any]

    def query(self, row: Row) -> Any:
        return row["question"] if row["id"] == "1" else type(self).fails()


@pytest.mark.parametrize(
    "error", [RuntimeError("no way"), AssertionError(), RecursionError("deep"), KeyError("x"), OSError("disk"), StopIteration()]
)
def test_a_page_that_raises_for_one_row(error: Exception) -> None:
    def fails() -> None:
        raise error

    page = type("Raising", (Raising,), {"fails": staticmethod(fails), "__doc__": "x"})
    said = reason(page, {"id": "2"})
    assert type(error).__name__ in said or "nothing known as 'x'" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sample: replace(sample, id="0"), "another sample has the id '0' too"),
        (lambda sample: replace(sample, id=3), "TypeError: id: found int 3, expected text"),
        (lambda sample: replace(sample, target=float("nan")), "Out of range float values are not JSON compliant"),
        (lambda sample: replace(sample, target={1, 2}), "TypeError: Object of type set is not JSON serializable"),
        (lambda sample: replace(sample, subset=None), "TypeError: subset: found NoneType None, expected text"),
        (lambda sample: replace(sample, cluster="half \ud83d"), r"'\\ud83d' is half of a surrogate pair"),
        (lambda sample: replace(sample, fields={"x": Image(b"")}), "TypeError: Object of type Image is not JSON serializable"),
        (lambda sample: replace(sample, request=Score(sample.request.prompt, ())), "0 choices, where there must be two or more"),
        (lambda sample: None, "AttributeError: 'NoneType' object"),
    ],
)
def test_a_page_that_makes_its_samples_itself(change: Callable[[Sample], Any], said: str) -> None:
    class Own(Chosen):
        """Changes one sample."""

        def sample(self, row: Row, *, id: str, config: str, shots: list[Row]) -> Sample:
            made = super().sample(row, id=id, config=config, shots=shots)
            return made if row["id"] == "1" else change(made)

    assert re.match(said, reason(Own, {"id": "2"}))


def test_a_page_that_fails_as_a_whole_is_named_with_its_line() -> None:
    class Broken(Chosen):
        """Its rows cannot be had."""

        def table(self, source: Source, open_token_counter: Any) -> Table:
            raise ZeroDivisionError("no rows")

    with pytest.raises(PluginError, match=r"^chosen: its page fails: ZeroDivisionError: no rows \(.*test_soundness\.py, line \d+\)$"):
        built(Broken, {})

    class Parts(Chosen):
        """Its subsets are no texts."""

        def subset(self, row: Row, config: str) -> Any:
            return ["x"] if row["id"] == "2" else "x"

    assert reason(Parts, {"id": "2"}).startswith("TypeError: subset(): found list ['x'], expected text")


def test_no_rows_are_no_score() -> None:
    class Nothing(Chosen):
        """All its rows are left out."""

        def included(self, row: Row) -> bool:
            return False

    with pytest.raises(DataError, match=r"^chosen: example/chosen split=test: no items in its 3 rows$"):
        built(Nothing, {})


def test_a_bad_exemplar_costs_the_items_that_show_it() -> None:
    for policy in (Fewshot.seeded, Fewshot.first):
        with pytest.raises(DataError, match=r"split=train row=1: bad row: column 'question': found null.*\. 2 other rows are bad too$"):
            built(Chosen, {"question": None}, "train", num_fewshot=3, fewshot=policy)
    made = built(Chosen, {"question": None}, "train", num_fewshot=1, fewshot=Fewshot.per_item)
    assert made.samples and made.refused and len(made.samples) + len(made.refused) == 3
    assert all("split=train row=1: bad row" in why for why in made.refused.values())


def test_all_bad_rows_are_named() -> None:
    missing = Missing()
    missing.prompts("piqa", {str(number): f"piqa: row={number}: bad row" for number in range(30)}, of=40)
    said = missing.by_task()["piqa"]
    assert said.startswith("piqa: 30 of 40 prompts cannot be sent; sample 0: row=0: bad row (the others: 1, 2, ")
    assert said.endswith(", 20 and 9 more)")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["", " ", "the", "\ud83d", "\0", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(page=st.sampled_from([Chosen, Written]), column=st.sampled_from(["question", "choices", "answer", "answers"]), value=VALUES)
def test_any_value_is_an_item_or_a_bad_row(page: type[Task], column: str, value: object) -> None:
    made = built(page, {column: value})
    assert len(made.samples) + len(made.refused) == 3 and all("row=1: bad row" in why and "\n" not in why for why in made.refused.values())
    for sample in made.samples:
        json.dumps([sample.id, sample.target, sample.fields], ensure_ascii=False, allow_nan=False).encode()
        shown = [as_text(sample.request.prompt.query), repr(sample.target)]
        assert "None" not in "".join(shown) and "nan" not in shown[0].split()
