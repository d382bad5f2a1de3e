"""Progress: scores so far are those of scores.json, whoever watches sees the same, and nothing is left behind."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gemma_eval.run import progress_view as watch
from gemma_eval.run.progress import Progress
from gemma_eval.run.progress_view import render, reporter
from gemma_eval.scoring.summary import summarize
from gemma_eval.store.progress import FILE, Snapshot, TaskProgress, read_snapshot, summary
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.base import Average
from gemma_eval.task.registry import registry
from gemma_eval.types import Record, Usage
from tests.runs import answers, generated

PIQA, MMLU, MGSM, FLORES = (registry()[name]() for name in ("piqa", "mmlu", "mgsm", "flores"))

RIGHT = [True, True, False, True, False, False, True, True]


def records() -> dict[str, list[Record]]:
    """Independent items; items of subsets, the macro average over which is the score, in clusters; a corpus metric."""
    return {
        "piqa": answers(RIGHT),
        "mmlu": [replace(record, subset="abcca"[i % 5]) for i, record in enumerate(answers(RIGHT, "mmlu"))],
        "mgsm": [generated("mgsm", str(i), "1", [str(i % 2)], subset="de" if i < 3 else "sw", cluster=str(i % 4)) for i in range(8)],
        "flores": [generated("flores", str(i), "ein Haus", ["das Haus"], subset="en-de") for i in range(3)],
    }


def test_scores_so_far_are_those_of_the_summary() -> None:
    tasks = {task.name: task for task in (PIQA, MMLU, MGSM, FLORES)}
    assert MGSM.average is Average.macro
    found = records()
    asked = [tasks[name] for name, of in found.items() for _ in of]
    earlier = [(tasks[name], record) for name, of in found.items() for record in of[:2]]
    told = Progress(asked, earlier)
    for name, of in found.items():
        for record in of[2:]:
            told.advance(tasks[name], record, Usage(10, 4, 0))
    seen = told.snapshot()
    assert (seen.total, seen.done, seen.before, seen.seconds_left) == (27, 27, 8, 0)
    assert seen.reused == pytest.approx(0.6)
    for name in ("piqa", "mmlu", "mgsm"):
        metric = summarize(tasks[name], found[name], 8)["metrics"][tasks[name].metrics[0]]
        task = seen.tasks[name]
        assert (task.value, [task.low, task.high]) == (metric["value"], metric["ci95"])
    assert seen.tasks["flores"].value is None and seen.tasks["flores"].done == 3


def test_a_sample_that_could_not_be_scored_counts_as_done() -> None:
    told = Progress([PIQA] * 2, [])
    for record in answers([True, False]):
        told.advance(PIQA, replace(record, scores={}), Usage())
    assert told.snapshot().tasks["piqa"] == TaskProgress(2, 2, "acc_norm", 1.0)


@pytest.mark.parametrize("fails", [False, True])
def test_the_file_is_there_while_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(watch, "SAVE_SECONDS", 0.0)
    run = RunDir(tmp_path)
    try:
        with reporter(run, [PIQA] * 8, []) as told:
            for record in answers(RIGHT[:4]):
                told.advance(PIQA, record, Usage())
            seen = _wait_for(run, done=4)
            assert seen.tasks["piqa"].value == 0.75 and seen.total == 8
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert not list(tmp_path.iterdir()) and read_snapshot(run) is None


def _wait_for(run: RunDir, done: int) -> Snapshot:
    for _ in range(500):
        if (seen := read_snapshot(run)) and seen.done == done:
            return seen
        time.sleep(0.01)
    raise AssertionError("no progress was written")


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"updated": "2020-01-01T00:00:00+00:00"})])
def test_what_a_killed_run_left_is_no_progress(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    assert read_snapshot(RunDir(tmp_path)) is None


@pytest.mark.parametrize(("quiet", "expected"), [(0.0, "piqa 2/4 acc_norm 50.0"), (60.0, "")])
def test_lines_where_nobody_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quiet: float, expected: str
) -> None:
    monkeypatch.setattr(watch, "QUIET_SECONDS", quiet)
    with reporter(RunDir(tmp_path), [PIQA] * 4, [(PIQA, record) for record in answers([True, False])]):
        pass
    printed = capsys.readouterr().err
    assert expected in printed and bool(printed) == bool(expected)


def snapshot(tasks: Sequence[TaskProgress]) -> Snapshot:
    named = {f"task_{i}": task for i, task in enumerate(tasks)}
    return Snapshot("", "", sum(t.total for t in tasks), sum(t.done for t in tasks), 0, 1234.5, 0.93, 4000.0, named)


def test_the_view_fits_the_window() -> None:
    done, going, waiting = (TaskProgress(1000, n, "acc_norm", 1.0, 0.401, 0.347, 0.457) for n in (1000, 300, 0))
    shown = Console(file=io.StringIO(), width=100, height=20, record=True)
    shown.print(render(snapshot([done] * 20 + [going] * 2 + [waiting] * 19), 10))
    text = shown.export_text()
    assert len(text.splitlines()) < 16 and "and 31 more tasks" in text
    assert text.count("300/1,000  acc_norm 40.1 (34.7-45.7)") == 2 and " 0/1,000" in text and " 1,000/1,000" not in text
    assert "20,600/41,000 samples, 1,234 tok/s, 93% reused, 1:06:40 left" in text
    assert summary(snapshot([waiting])).endswith("left")
