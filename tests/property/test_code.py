"""Every reference solution of HumanEval and MBPP passes in the sandbox, and every mutant of it fails."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gemma_eval.data.rows import Row
from gemma_eval.data.sources import FolderSource, SampleSource, Source
from gemma_eval.sandbox import runner as sandbox
from gemma_eval.sandbox.runner import Outcome
from gemma_eval.task.code import CodeGeneration
from gemma_eval.task.registry import registry
from tests.sandboxes import needs_bubblewrap

pytestmark = needs_bubblewrap

MUTANTS = {
    "another value": """
for _name, _value in list(globals().items()):
    if type(_value).__name__ == "function":
        globals()[_name] = lambda *args, _value=_value, **named: (_value(*args, **named), None)
""",
    "an early exit": "\nraise SystemExit(0)\n",
    "an open bracket": "\n(",
}


def outcomes(task: CodeGeneration, rows: Sequence[Row], suffix: str = "") -> list[Outcome]:
    def judged(row: Row) -> Outcome:
        return sandbox.run(task.preamble(row) + task.solution(row) + suffix, task.tests(row), cpu_seconds=task.cpu_seconds)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(judged, rows))


def rows_of(name: str, source: Source) -> tuple[CodeGeneration, Sequence[Row]]:
    task = registry()[name]()
    assert isinstance(task, CodeGeneration)
    return task, source.table(task.dataset, task.dataset.split, task.samples_file()).rows


@pytest.mark.parametrize("name", ["humaneval", "mbpp"])
def test_bundled_solutions_pass_and_mutants_fail(name: str) -> None:
    task, rows = rows_of(name, SampleSource())
    assert outcomes(task, rows) == [Outcome.passed] * len(rows)
    for suffix in MUTANTS.values():
        assert outcomes(task, rows, suffix) == [Outcome.failed] * len(rows)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("humaneval", 164), ("mbpp", 500)])
def test_real_solutions_pass_and_mutants_fail(name: str, size: int, data_root: Path) -> None:
    task, rows = rows_of(name, FolderSource(data_root))
    assert len(rows) == size
    assert outcomes(task, rows) == [Outcome.passed] * size
    for suffix in MUTANTS.values():
        assert Outcome.passed not in outcomes(task, rows, suffix)
