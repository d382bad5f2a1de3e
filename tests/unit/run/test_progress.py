"""Progress: scores so far are those of scores.json, whoever watches sees the same, and nothing is left behind."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gemma_eval.run import progress_view as watch
from gemma_eval.run.planned import PlannedTokens
from gemma_eval.run.progress import Progress
from gemma_eval.run.progress_view import reporter
from gemma_eval.scoring.summary import summarize
from gemma_eval.store.progress import FILE, Snapshot, TaskProgress, read_snapshot
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
    assert (seen.total, seen.done, seen.before) == (27, 27, 8)
    assert seen.reused == pytest.approx(0.6)
    for name in ("piqa", "mmlu", "mgsm"):
        score = summarize(tasks[name], found[name], 8).score
        task = seen.tasks[name]
        assert (task.value, (task.low, task.high)) == (score.value, score.ci95)
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


# -- tokens and phases ------------------------------------------------------------------------------------------


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_tokens_are_counted_as_they_come_and_a_request_once() -> None:
    """Two samples share a request; the second request's text is in flight."""
    clock = Clock()
    texts = [replace(generated("mgsm", str(i), "1", ["1"]), key=key) for i, key in enumerate("aab")]
    planned = {key: PlannedTokens("mgsm", prefill=50, generate=100, texts=1) for key in "ab"}
    told = Progress([MGSM] * 3, [], planned, clock=clock)
    told.phase("loading")
    assert (told.snapshot().phase, told.snapshot().tokens_per_second) == ("loading", None)
    clock.now += 30.0
    told.phase("generating")
    clock.now += 2.0
    told.generated(6)
    seen = told.snapshot()
    assert (seen.phase, seen.tokens, seen.planned, seen.at_most) == ("generating", 6, 200, True)
    assert seen.tokens_per_second == 3.0, "loading counts as generating"
    told.advance(MGSM, texts[0], Usage(53, 53, 3))
    told.advance(MGSM, texts[1], Usage())
    seen = told.snapshot()
    assert (seen.done, seen.tokens, seen.planned, seen.at_most) == (2, 6, 12, False)  # 6 tokens of one finished text: 6 more of the other
    assert seen.seconds_left is None, "most of the time went into reading prompts so far"
    clock.now += 3.0
    assert told.snapshot().seconds_left is not None
    told.advance(MGSM, texts[2], Usage(53, 53, 3))
    seen = told.snapshot()
    assert (seen.done, seen.planned, seen.seconds_left) == (3, 6, 0.0)


def test_tokens_that_nobody_heard_of_are_counted_with_the_answer() -> None:
    clock = Clock()
    told = Progress([MGSM] * 2, [], {"a": PlannedTokens("mgsm", generate=100, texts=1)}, clock=clock)
    told.phase("generating")
    clock.now += 2.0
    told.advance(MGSM, replace(generated("mgsm", "0", "1", ["1"]), key="a"), Usage(53, 53, 3))
    assert (told.snapshot().tokens, told.snapshot().tokens_per_second) == (3, 1.5)
    told.generated(3)  # reported after the answer, as an engine may do that is looked at now and then
    assert told.snapshot().tokens == 3


def test_no_time_is_told_before_there_is_evidence() -> None:
    clock = Clock()
    first, second = answers([True, True])
    told = Progress([PIQA] * 2, [], {record.key: PlannedTokens("piqa", score=40) for record in (first, second)}, clock=clock)
    told.phase("scoring")
    clock.now += 60.0
    seen = told.snapshot()
    assert seen.seconds_left is None and seen.tokens_per_second is None
    told.advance(PIQA, first, Usage(80, 40, 0))
    seen = told.snapshot()
    assert (seen.tokens, seen.planned, seen.seconds_left, seen.tokens_per_second) == (40, 80, 60.0, 40 / 60)
    clock.now += 20.0
    assert told.snapshot().seconds_left == 40.0


def test_scoring_of_stored_answers_is_not_timed() -> None:
    """An earlier start of the run had the answer; there is no telling how long a slow metric takes."""
    seen = Progress([PIQA], []).snapshot()
    assert (seen.done, seen.seconds_left, seen.phase) == (0, None, "")


def test_other_processes_are_waited_for_at_the_end() -> None:
    """Their samples count, their tokens are not known, and neither is their time."""
    clock = Clock()
    own, others = answers([True, True])
    told = Progress([PIQA] * 2, [], {own.key: PlannedTokens("piqa", score=40)}, processes=2, clock=clock)
    told.phase("scoring")
    clock.now += 10.0
    told.advance(PIQA, own, Usage(80, 40, 0))
    seen = told.snapshot()
    assert (seen.phase, seen.done, seen.seconds_left) == ("waiting", 1, None)
    told.arrived("piqa", others)
    assert told.snapshot().done == 2
