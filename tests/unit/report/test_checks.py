"""Every form that people read says in one line what was checked before the first answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gemma_eval.card.rebuilt import Card, card
from gemma_eval.report.checks import checked
from gemma_eval.report.console import print_card
from gemma_eval.report.latex import escape, to_latex
from gemma_eval.report.markdown import to_markdown
from gemma_eval.report.page import to_html
from gemma_eval.store.environment import Check, Environment
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.scores import read_scores
from tests.runs import card_scores

SOUND = [Check("one BOS", True, "id 2 begins every prompt"), Check("texts", True, "'a', 'b'")]
ODD = [
    Check("one BOS", True),
    Check("texts", False, "all are empty: ''"),
    Check("log-probabilities", None, "not checked: the server has none"),
]
LINE = "Checked before the first answer: one BOS, texts."
ODD_LINE = (
    "Checked before the first answer: one BOS. Not as it should be: texts (all are empty: ''). "
    "Not checked: log-probabilities (the server has none)."
)


def shown(*checks: list[Check]) -> Card:
    return card([replace(card_scores("270m", f"run {index}"), checks=of_run) for index, of_run in enumerate(checks)])


@pytest.mark.parametrize(
    ("checks", "lines"),
    [([SOUND], [LINE]), ([ODD], [ODD_LINE]), ([[]], []), ([SOUND, [], ODD], [f"A: {LINE}", f"C: {ODD_LINE}"])],
)
def test_the_lines(checks: list[list[Check]], lines: list[str]) -> None:
    assert checked(shown(*checks).runs) == lines


def test_every_form_has_them(tmp_path: Path) -> None:
    found = shown(ODD)
    console = Console(record=True, width=300)
    print_card(found, console)
    page = to_html(found, [RunDir(tmp_path)], tmp_path)
    assert ODD_LINE in to_markdown(found) and escape(ODD_LINE) in to_latex(found) and ODD_LINE in console.export_text()
    assert ODD_LINE.replace("'", "&#39;") in page
    assert "Checked before" not in to_markdown(shown([]))


def test_they_come_back_from_the_files_and_older_files_have_none(tmp_path: Path) -> None:
    scores = replace(card_scores("270m"), checks=ODD)
    run = RunDir(tmp_path)
    run.write_json("scores.json", scores.to_json())
    run.write_json("environment.json", Environment(checks=ODD).to_json())
    assert read_scores(tmp_path / "scores.json").checks == ODD == run.environment.checks
    older = {key: value for key, value in scores.to_json().items() if key != "checks"}
    run.write_json("scores.json", older)
    run.write_json("environment.json", {"python": "3.11"})
    assert read_scores(tmp_path / "scores.json").checks == [] == run.environment.checks
