"""Answers read out of chat replies, against lm-eval 0.4.13's functions and filters for its zero-shot pages.

Replies are the data sets' own worked solutions with closings of many kinds. lm-eval's filters are stricter or laxer in known ways,
which are asserted beside the agreement.
"""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest
from lm_eval.tasks.hendrycks_math.utils import last_boxed_only_string, remove_boxed

from gemma_eval.metrics import code, final_answer
from gemma_eval.metrics.math import same_number
from tests.oracle.lm_eval_tasks import from_folder, table_of
from tests.oracle.test_reasoning import filtered, page_of

CLOSINGS = {  # of a reply to a problem of GSM8K: whether lm-eval's filters, strict and flexible, find the answer
    "The answer is {}.": (True, True),
    "So, the final answer is: The answer is {}.": (True, True),
    "The answer is {} dollars.": (True, True),
    "The answer is **{}**.": (False, True),
    "The answer is ${}.": (False, True),
    "**Answer:** {}": (False, True),
    "So she has $\\boxed{{{}}}$.": (False, False),
    "The answer is {}.\n\nI hope this helps! Ask me 2 more.": (True, False),
}


@pytest.mark.data
def test_boxed_answers(data_root: Path) -> None:
    """Every solution of MATH, and replies with a box inside a box or an earlier one."""
    task = page_of("math_it")
    rows = table_of(task, data_root).rows
    solutions = [str(row["solution"]) for row in rows]
    assert len(solutions) == 5000
    for text in solutions + [f"First \\boxed{{7}}, but then: {text}" for text in solutions[:300]]:
        assert final_answer.formula(text) == remove_boxed(last_boxed_only_string(text)).strip().rstrip(". "), text
    assert (remove_boxed(last_boxed_only_string(r"\boxed{\boxed{5}}")), final_answer.formula(r"\boxed{\boxed{5}}")) == ("5", "5")


@pytest.mark.data
def test_numbers(data_root: Path) -> None:
    task = page_of("gsm8k_it")
    rows = table_of(task, data_root).rows
    page = from_folder("gsm8k/gsm8k-cot-zeroshot.yaml", data_root)
    doc = page.eval_docs[0]
    chance = random.Random(0)
    for closing, found in CLOSINGS.items():
        for index in chance.sample(range(len(rows)), 40):
            gold = task.golds(rows[index])
            text = (
                f"{rows[index]['answer'].partition('####')[0].replace('<<', '').replace('>>', '')}\n{closing.format(f'{int(gold[0]):,}')}"
            )
            ours = task.extract(text)
            assert ours is not None and same_number(ours, gold) == 1.0, text
            theirs = [filtered(page, doc, text, name) for name in ("strict-match", "flexible-extract")]
            assert [same_number(number, gold) == 1.0 for number in theirs] == list(found), (text, theirs)


@pytest.mark.data
def test_letters(data_root: Path) -> None:
    """lm-eval takes the first stated letter, and the first letter of a word as one; a reply may think twice."""
    task = page_of("mmlu_pro_it")
    rows = table_of(task, data_root).rows
    page = from_folder("mmlu_pro/mmlu_pro_law.yaml", data_root)
    doc = page.eval_docs[0]
    chance = random.Random(0)
    for index in chance.sample(range(len(rows)), 250):
        question, gold = rows[index], task.golds(rows[index])[0]
        body = "\n".join(str(text) for text in question["options"])
        for text in (f"{body}\n\nThe answer is ({gold}).", f"{body}\n\nSo the answer is {gold}"):
            assert task.extract(text) == filtered(page, doc, text, "custom-extract") == gold
        bold, boxed = f"{body}\nThe answer is **({gold})**.", f"{body}\n$\\boxed{{\\text{{{gold}}}}}$"
        assert {task.extract(bold), task.extract(boxed)} == {gold}
        assert "[invalid]" in {filtered(page, doc, bold, "custom-extract"), filtered(page, doc, boxed, "custom-extract")}


@pytest.mark.data
def test_answers_in_words(data_root: Path) -> None:
    """BBH: lm-eval's strict filter drops the last character, whatever it is."""
    task = page_of("bbh_it")
    table = table_of(task, data_root)
    page = from_folder("bbh/cot_zeroshot/boolean_expressions.yaml", data_root)
    doc = page.eval_docs[0]
    for index in random.Random(0).sample(range(len(table.rows)), 300):
        row = table.rows[index]
        text = f"Let us see.\n{task.solution(row)}"
        assert task.extract(text) == filtered(page, doc, text, "strict-match") == row["target"]
        for told in (f"**Answer:** {row['target']}", f"The answer is **{row['target']}**", f"the answer is `{row['target']}`."):
            answer = task.extract(told)
            assert answer is not None and task.judge(answer, [row["target"]]) == 1.0, told


@pytest.mark.data
def test_prompts_of_humaneval_are_programs(data_root: Path) -> None:
    """A whole function, or its body alone, follows a prompt: with all 164, both make a program."""
    task = page_of("humaneval_it")
    rows = table_of(task, data_root).rows
    assert len(rows) == 164
    for row in rows:
        ast.parse(row["prompt"])
        reply = f"Here it is:\n\n{code.fenced(row['prompt'] + row['canonical_solution'])}\n\nTry `{row['entry_point']}`."
        program = task.extract(reply)
        assert program == f"{(row['prompt'] + row['canonical_solution']).strip()}\n"
        assert row["entry_point"] in [node.name for node in ast.parse(row["prompt"] + program).body if isinstance(node, ast.FunctionDef)]
