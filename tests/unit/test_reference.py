"""What docs/results.md quotes: scores kept without their records are reported as any run is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gemma_eval.commands.main import main
from gemma_eval.store.scores import TaskScores, read_scores

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results/reference/270m-pt-gguf_q4_k_m"


def measured() -> dict[str, str]:
    """The primary score of each task, as reports print it."""
    return {name: f"{100 * (task.score.value or 0):.1f}" for name, task in reference_tasks().items()}


def reference_tasks() -> dict[str, TaskScores]:
    return read_scores(REFERENCE / "scores.json").tasks


@pytest.mark.parametrize("form", ["--markdown", "--html", "--latex"])
def test_the_reference_is_reported(form: str, tmp_path: Path) -> None:
    assert main(["report", str(REFERENCE), form, str(tmp_path / "report")]) == 0
    text = (tmp_path / "report").read_text()
    assert len(measured()) == 7
    assert [value for value in measured().values() if value not in text] == []


def test_the_page_of_results_quotes_the_reference() -> None:
    """Scores and tokens of the table in docs/results.md are those of the kept run."""
    lines = (ROOT / "docs/results.md").read_text().splitlines()
    rows = [line.split("|") for line in lines if re.search(r"\d / [\d,]+ = [\d.]+x \|", line)]
    assert [row[4].strip() for row in rows] == list(measured().values())
    tokens = [f"{task.tokens.prompt:,} / {task.tokens.computed:,}" for task in reference_tasks().values()]
    assert [row[9].partition(" = ")[0].strip() for row in rows] == tokens
    assert [row[10].strip() for row in rows] == [f"{task.seconds:.0f}" for task in reference_tasks().values()]
