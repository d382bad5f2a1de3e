"""Numbers, counts and formulas: what is read in the replies of this folder."""

from __future__ import annotations

import pytest

from gemma_eval.metrics import counting, final_answer, math, math_answer
from gemma_eval.task.base import Generation
from gemma_eval.task.registry import registry
from tests.corpus.replies import check, load


def same_number(found: str, wanted: str) -> bool:
    return math.to_number(found) == math.to_number(wanted)


def test_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    check(load("numbers"), lambda reply: final_answer.number(reply.reply), capsys, "numbers of chat replies", same_number)


def test_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    check(load("formulas"), lambda reply: final_answer.formula(reply.reply), capsys, "formulas of chat replies", math_answer.equal)


def test_counts(capsys: pytest.CaptureFixture[str]) -> None:
    check(load("counts"), lambda reply: counting.first(reply.reply), capsys, "counts")


@pytest.mark.parametrize("name", ["gsm8k", "mgsm"])
def test_completions(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    task = registry()[name]()
    assert isinstance(task, Generation)
    local = name == "mgsm"
    replies = [reply for reply in load("completions") if reply.task in ("", name)]
    check(
        replies,
        lambda reply: task.extract(reply.reply),
        capsys,
        f"completions of {name}",
        lambda found, wanted: math.to_number(found, local=local) == math.to_number(wanted),
    )
