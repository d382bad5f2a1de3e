"""DROP's scores against lm-eval 0.4.13's `tasks/drop/utils.py`, a copy of the official script."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from lm_eval.tasks.drop.utils import get_answers, get_metrics, process_results

from gemma_eval.data.rows import Row
from gemma_eval.metrics import drop
from gemma_eval.task.base import Generation, Task
from gemma_eval.task.registry import registry
from tests.oracle.lm_eval_tasks import table_of

ITEMS = 500


def task() -> Generation:
    found: Task = registry()["drop"]()
    assert isinstance(found, Generation)
    return found


def answers(row: Row, other: Row) -> Iterator[str]:
    """A right answer told in several ways, parts of it, and another item's."""
    for gold in task().golds(row):
        words = gold.split()
        yield from (gold, f"The {gold}.", f"{gold} yards", " ".join(words[1:]), gold.upper(), f"{gold} and {task().golds(other)[0]}")
    yield task().golds(other)[0]


@pytest.mark.data
def test_real_rows(data_root: Path) -> None:
    """Golds, and F1 of the answer as one span, are lm-eval's. Exact match too where the line is not read as a list."""
    rows = table_of(task(), data_root).rows
    chosen = random.Random(0).sample(range(len(rows)), 2 * ITEMS)
    compared = 0
    for i, j in zip(chosen[:ITEMS], chosen[ITEMS:], strict=True):
        golds = get_answers(rows[i])
        assert [tuple(spans) for spans in task().target(rows[i])] == golds  # type: ignore[union-attr, arg-type]
        for text in filter(str.strip, answers(rows[i], rows[j])):
            ours, theirs = task().grade(text, task().target(rows[i])).scores, process_results({"answers": golds}, [text])
            assert ours["f1_one_span"] == theirs["f1"], (text, golds)
            assert ours["f1"] >= theirs["f1"] and ours["exact_match"] >= theirs["em"]
            if len(drop.readings(text)) == 1:
                assert (ours["f1"], ours["exact_match"]) == (theirs["f1"], theirs["em"]), (text, golds)
            compared += 1
    assert compared > 5 * ITEMS


def test_generated_spans() -> None:
    """Lists of one to four spans, repeated and reordered, with numbers, articles and punctuation."""
    words = ["the", "Teal", "teal", "4", "4.0", "1,250", "hours", "June", "23-yard", "-3", "D.C.", "$5", "41.5%", "nan", "a", "_"]
    chance = random.Random(1)

    def spans() -> list[str]:
        return [" ".join(chance.choices(words, k=chance.randint(1, 3))) for _ in range(chance.randint(1, 4))]

    for _ in range(4000):
        gold = spans()
        answer = spans() if chance.random() < 0.5 else chance.sample(gold, len(gold))
        exact, f1 = get_metrics(answer, gold)
        assert drop.exact_match(answer, gold) == exact, (answer, gold)
        assert drop.f1(answer, gold) == pytest.approx(float(f1), abs=1e-9), (answer, gold)


def test_an_empty_line_is_no_answer() -> None:
    """The one difference: an empty line is nothing here; the official script would give it 1 where a gold is but an article."""
    assert get_metrics([""], ["the"]) == (1.0, 1.0)
    assert task().grade(" ", [["the"]]).scores["f1"] == 0.0
