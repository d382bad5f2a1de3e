"""AGIEval against lm-eval 0.4.13: the MATH authors' string rules, and the items in the data's zero-shot queries."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lm_eval.tasks.agieval.utils import _strip_string as strip_string

from gemma_eval.data.rows import Row
from gemma_eval.data.table import Table
from gemma_eval.metrics.agieval import all_letters, first_letter, normalize_value, same_value
from gemma_eval.task.base import Generation
from gemma_eval.task.registry import registry
from tests.oracle.lm_eval_tasks import table_of


def page() -> Generation:
    task = registry()["agieval_all"]()
    assert isinstance(task, Generation)
    return task


@pytest.fixture(scope="module")
def table(data_root: Path) -> Table:
    return table_of(page(), data_root)


def spellings(value: str) -> Iterator[str]:
    """A value written in other ways, some of them equivalent."""
    yield from (value, f"x = {value}", value.replace("\\frac", "\\dfrac"), value.replace("{", "").replace("}", ""), f"{value}\\%")
    yield from (f"{value} ", f"\\left({value}\\right)", f"{value}^\\circ", f"{value}1", value.replace("0.", "."))
    if "\\text{ " not in value:  # the source refuses two units
        yield f"{value}\\text{{ cm}}"


def theirs(text: str) -> str:
    """lm-eval's copy of `math_equivalence.py` stops on some LaTeX and then compares what was written."""
    try:
        return str(strip_string(text))
    except (AssertionError, IndexError):
        return text


def authors_letter(text: str) -> str | None:
    """`parse_few_shot_qa_single_answer` of src/post_process.py, in this file's own words."""
    for words in ("answer is ", "答案是"):
        if match := re.search(f"{words}.*?([A-G])", text):
            return match[1]
    return next((character for character in text if character in "ABCDEF"), None)


def test_letters_are_those_of_the_authors_rules() -> None:
    pieces = ["answer is ", "答案是", "A", "B", "G", "Both", "(C)", "a", " ", "\n", ".", "car", "、", "选"]
    chance = random.Random(0)
    compared = set()
    for _ in range(3000):
        text = "".join(chance.choices(pieces, k=chance.randint(0, 7)))
        if "answer is " in text and "答案是" in text:
            continue  # the authors look for the words of the item's language alone
        compared.add(authors_letter(text))
        assert first_letter(text) == authors_letter(text), text
        assert (all_letters(text) or "") == "".join(sorted(set(re.findall(r"\(*([A-F])\)*", text)))), text
    assert compared == {None, *"ABCG"}


@pytest.mark.data
def test_values(table: Table) -> None:
    """Same verdict on every value and ten spellings of it. Two differences on purpose: dollar signs around formulas, and
    "\\sqrt 5", which the source turns into "\\sqrt{}5"."""
    values = [str(row["answer"]) for row in table.rows if row["answer"] is not None]
    assert len(values) == 1118
    compared = differing = 0
    for value in values:
        for text in spellings(value):
            if "$" in text or "\\sqrt " in text:
                differing += normalize_value(text) != theirs(text)
                continue
            assert bool(same_value(text, value)) == (theirs(text) == theirs(value)), (text, value)
            compared += 1
    assert compared > 10_000
    assert differing > 500  # the exceptions are needed


@pytest.mark.data
def test_items_are_read_whole_from_the_queries(table: Table) -> None:
    """Taking an item apart and writing it again in the zero-shot form gives the query, but for spaces at the seams."""
    module: Any = sys.modules[type(page()).__module__]

    def rebuilt(row: Row) -> str:
        form, (overlap_key, question) = module._form(row), module._parts(row)
        options = form.options + " ".join(row["choices"]) if row["choices"] else ""
        return f"{overlap_key}{form.question}{question}{options}{row['query'].rpartition(chr(10))[2]}"

    for index in random.Random(0).sample(range(len(table.rows)), 1000):
        row = table.rows[index]
        assert "".join(rebuilt(row).split()) == "".join(row["query"].split()), table.where(index)
