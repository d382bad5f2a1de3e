"""What the dashboard says of a folder of runs, and whom it lets in; without Gradio."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gemma_eval.dashboard.overview import State, card_page, entries, progress_rows, run_rows
from gemma_eval.dashboard.server import make_application
from gemma_eval.errors import ConfigError
from gemma_eval.run.progress import Progress
from gemma_eval.scoring.scores_json import write_scores
from gemma_eval.store.progress import FILE
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.registry import registry
from tests.runs import answers, write_run

RIGHT = [True] * 79 + [False] * 21  # PIQA of the 4B model: 79.6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run, one that was cut off, one that goes on, one without its records, and what is none."""
    whole, cut, going = (write_run(tmp_path / name, {"piqa": answers(RIGHT)}, model={"size": "4b"}) for name in ("whole", "cut", "going"))
    for run in (cut, going):
        (run.path / "scores.json").unlink()
    write_scores(whole)
    piqa = registry()["piqa"]()
    going.write_json(FILE, asdict(Progress([piqa] * 200, [(piqa, record) for record in answers(RIGHT)]).snapshot()))
    kept = RunDir(tmp_path / "reference" / "kept")
    kept.write_json("scores.json", replace(whole.scores, run="kept").to_json())
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    (tmp_path / "notes.txt").write_text("no run")
    return tmp_path


def test_runs_and_their_states(folder: Path) -> None:
    found = {entry.name: entry for entry in entries(folder)}
    states = {"going": State.running, "cut": State.interrupted, "whole": State.finished, "reference/kept": State.finished}
    assert {name: entry.state for name, entry in found.items()} == states
    assert next(iter(found)) == "going"
    rows = {row[0]: row for row in run_rows(list(found.values()))}
    assert rows["whole"][1:9] == ["finished", "-0.6", "100", 1, "4b pt", "bf16", "transformers", "some"]
    assert rows["going"][1:4] == ["running", "", "100"]
    assert progress_rows(list(found.values())) == [["going", "piqa", 100, 200, "50%", "acc_norm 79.0 (70.0-85.8)"]]


def test_a_change_is_seen(folder: Path) -> None:
    (folder / "going" / FILE).unlink()
    write_scores(RunDir(folder / "going"))
    assert {entry.name: entry.state for entry in entries(folder)}["going"] is State.finished


def test_the_card_links_to_what_was_written(folder: Path) -> None:
    (folder / "whole" / "report.html").write_text("<p>")
    assert card_page(folder, "whole").startswith("**whole** · [report](/runs/whole/report.html)\n")
    assert re.search(r"\| PIQA.*\| 79\.0", card_page(folder, "whole"))
    assert "No scores yet" in card_page(folder, "going")


@pytest.mark.parametrize(
    ("host", "auth", "why"),
    [
        ("0.0.0.0", None, "--auth"),
        ("example.org", None, "--auth"),
        ("127.0.0.1", "nobody", "user:password"),
        ("127.0.0.1", ":secret", "user:password"),
    ],
)
def test_others_are_let_in_with_a_password_alone(folder: Path, host: str, auth: str | None, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        make_application(folder, host=host, auth=auth)


def test_only_a_folder_of_runs_is_served(folder: Path) -> None:
    for path, why in ((folder / "none", "no such folder"), (folder / "whole", "is a run itself")):
        with pytest.raises(ConfigError, match=why):
            make_application(path, host="127.0.0.1")
