"""`gemma-eval rescore RUN --explain TASK`: the items on which a primary metric and its diagnostics differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_eval.commands.main import main
from gemma_eval.errors import ConfigError
from gemma_eval.report.explanation import explanation_table
from gemma_eval.run.rescore import explain
from gemma_eval.store.run_dir import RunDir
from tests.runs import answers, generated, write_run

TEXTS = [
    "6 + 12 = 18. The answer is 18.",
    "First she had 6.\nSo she has 18 clips\n\n",
    "So she has 17",
    "I do not know.",
    "The answer is 17, or rather 18",
]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    letters = [generated("agieval_all", "hedge", "(B) or (C)", {"reading": "letter", "gold": "C"})]
    math = [generated("gsm8k", str(i), text, ["18"]) for i, text in enumerate(TEXTS)]
    return write_run(tmp_path / "run", {"gsm8k": math, "agieval_all": letters, "piqa": answers([True])})


def test_each_item_that_differs_is_a_row(run: RunDir) -> None:
    explained, missing = explain(run, "gsm8k")
    table = explanation_table(explained, "run")
    assert table.title == "gsm8k of run: exact_match and a diagnostic differ on 3 of 5 answers" and not missing
    assert [column.name for column in table.columns] == ["Item", "exact_match", "flexible", "Gold", "Last line of the reply"]
    assert table.rows == [
        ["1", "nothing", "18: right", "18", "So she has 18 clips"],
        ["2", "nothing", "17: wrong", "18", "So she has 17"],
        ["4", "17: wrong", "18: right", "18", "The answer is 17, or rather 18"],
    ]


def test_the_gold_of_a_target_with_parts_is_shown_alone(run: RunDir) -> None:
    explained, _ = explain(run, "agieval_all")
    assert explanation_table(explained, "run").rows == [["hedge", "nothing", "B: wrong", "C", "(B) or (C)"]]


def test_long_texts_are_shortened_and_an_empty_reply_is_shown_so(tmp_path: Path) -> None:
    found = [generated("gsm8k", "long", "x" * 500 + " 18", ["1" * 99]), generated("gsm8k", "empty", "", ["18"])]
    run = write_run(tmp_path / "run", {"gsm8k": found})
    (row,) = explanation_table(explain(run, "gsm8k")[0], "run").rows
    assert row[3] == "1" * 40 + "..." and row[4] == "..." + "x" * 77 + " 18"


def test_answers_are_graded_anew_and_nothing_is_written(run: RunDir) -> None:
    files = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
    stale = run.records_file("gsm8k").read_text().replace('"extracted": null', '"extracted": "18"')
    run.records_file("gsm8k").write_text(stale)
    assert len(explain(run, "gsm8k")[0].differences) == 3
    assert run.records_file("gsm8k").read_text() == stale
    assert {file for file in run.path.rglob("*") if file.is_file()} == set(files)


def test_answers_that_cannot_be_scored_are_named(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = run.records_file("agieval_all").read_text().replace('"letter"', '"rune"')
    run.records_file("agieval_all").write_text(damaged)
    assert main(["rescore", str(run.path), "--explain", "agieval_all"]) == 3
    printed = capsys.readouterr()
    assert "differ on 0 of 0 answers" in printed.out and "missing: agieval_all: 1 answers are kept without a score" in printed.err


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("gsm8", "--explain gsm8: .*run has no such task. Did you mean 'gsm8k'\\? Its tasks: gsm8k, agieval_all, piqa$"),
        ("", "--explain : .*run has no such task. Its tasks: gsm8k, agieval_all, piqa$"),
        ("mmlu", "--explain mmlu: .*run has no such task."),
        ("piqa", "--explain piqa: the task has no diagnostics"),
    ],
)
def test_a_task_that_cannot_be_explained_is_refused(run: RunDir, task: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        explain(run, task)


def test_the_command_prints_the_table(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rescore", str(run.path), "--explain", "gsm8k"]) == 0
    printed = capsys.readouterr().out
    assert "differ on 3 of 5 answers" in printed and "17: wrong" in printed and "records changed" not in printed
    assert main(["rescore", str(run.path), "--explain", "piqa"]) == 1
    assert capsys.readouterr().err.startswith("error: --explain piqa: ")
