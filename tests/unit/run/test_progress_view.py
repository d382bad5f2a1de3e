"""What people see of a run: nothing is cut off in a narrow window, and the one line says phase, tokens, rate and time left."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace

import pytest
from rich.console import Console

from gemma_eval.run.progress_view import render
from gemma_eval.store.progress import Snapshot, TaskProgress, score_text, summary


def task(done: int, total: int = 1000, metric: str = "acc_norm") -> TaskProgress:
    return TaskProgress(total, done, metric, 1.0, 0.401, 0.347, 0.457)


def snapshot(tasks: Mapping[str, TaskProgress]) -> Snapshot:
    return Snapshot(
        started="",
        updated="",
        total=sum(task.total for task in tasks.values()),
        done=sum(task.done for task in tasks.values()),
        before=0,
        phase="scoring",
        tokens=1_234_567,
        planned=3_400_000,
        tokens_per_second=1234.5,
        reused=0.93,
        seconds_left=4000.0,
        tasks=dict(tasks),
    )


def shown(seen: Snapshot, width: int, height: int = 30) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, record=True)
    console.print(render(seen, width, height))
    return console.export_text()


CARD = {
    "arc_challenge": task(300, 1172),
    "arc_easy": task(2376, 2376),
    "global_mmlu_lite_it": task(0, 6400),
    "hellaswag": task(9999, 10_042),
    "natural_questions": task(1, 3610, "exact_match"),
}


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_name_and_no_number_is_cut(width: int) -> None:
    text = shown(snapshot(CARD), width)
    lines = text.splitlines()
    assert "…" not in text and all(len(line) <= width for line in lines)
    for name, one in CARD.items():
        row = next(line for line in lines if line.startswith(f"{name} "))
        assert f" {one.done:,}/{one.total:,}" in row and score_text(one, interval=width > 60) in row
        assert ("(34.7-45.7)" in row) == (width > 60)
    assert ("━" in text) == (width > 60)
    assert " ".join(text.split()).endswith(summary(snapshot(CARD)))


def test_the_bar_gets_shorter_before_it_goes() -> None:
    lengths = [max(line.count("━") for line in shown(snapshot(CARD), width).splitlines()) for width in range(60, 110)]
    assert lengths == sorted(lengths) and {0, 8, 15, 24} <= set(lengths) and not {1, 7, 25} & set(lengths)


def test_a_window_too_narrow_for_scores_has_names_and_counts() -> None:
    for width in (24, 36):
        text = "".join(shown(snapshot(CARD), width).split())
        assert all(name in text or width == 24 for name in CARD) and "9,999/10,042" in text and "40.1" not in text


def test_a_low_window_shows_what_goes_on() -> None:
    tasks = [task(1000)] * 20 + [task(300)] * 2 + [task(0)] * 19
    seen = snapshot({f"task_{i}": one for i, one in enumerate(tasks)})
    text = shown(seen, 100, height=16)
    assert len(text.splitlines()) < 16 and "and 30 more tasks" in text
    assert text.count("300/1,000  acc_norm 40.1 (34.7-45.7)") == 2 and " 0/1,000" in text and " 1,000/1,000" not in text
    assert "1:06:40 left" in text
    assert len(shown(seen, 60, height=16).splitlines()) < 16


# -- the line ---------------------------------------------------------------------------------------------------

SCORING = snapshot({"piqa": task(300)})
GENERATING = replace(SCORING, phase="generating", tokens=4000, planned=16_000, tokens_per_second=50.0, seconds_left=240.0)


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (SCORING, "300/1,000 samples, scoring 1,234,567 of 3,400,000 tokens at 1,234 tokens/s, 93% of prompt tokens reused, 1:06:40 left"),
        (GENERATING, "300/1,000 samples, generating 4,000 of about 16,000 tokens at 50 tokens/s, 93% of prompt tokens reused, 4:00 left"),
        (
            replace(GENERATING, at_most=True, reused=0.0),
            "300/1,000 samples, generating 4,000 of at most 16,000 tokens at 50 tokens/s, at most 4:00 left",
        ),
        (
            replace(SCORING, seconds_left=None, phase_seconds_left=12.0, reused=0.0, at_most=True),
            "300/1,000 samples, scoring 1,234,567 of 3,400,000 tokens at 1,234 tokens/s, 0:12 left of scoring",
        ),
        (
            replace(SCORING, seconds_left=None, tokens_per_second=None, tokens=0, reused=0.0),
            "300/1,000 samples, scoring 0 of 3,400,000 tokens",
        ),
        (
            replace(SCORING, processes=4, reused=0.0),
            "300/1,000 samples, scoring 1,234,567 of 3,400,000 tokens at 1,234 tokens/s in 1 of 4 processes, 1:06:40 left",
        ),
        (
            replace(GENERATING, tokens_per_second=0.84, seconds_left=None, reused=0.0, at_most=True),
            "300/1,000 samples, generating 4,000 of at most 16,000 tokens at 0.8 tokens/s",
        ),
        (replace(SCORING, phase="loading", seconds_left=None, reused=0.0), "300/1,000 samples, loading the model"),
        (replace(SCORING, phase="checking", seconds_left=None, reused=0.0), "300/1,000 samples, checking the model"),
        (
            replace(SCORING, phase="waiting", seconds_left=None, processes=4, reused=0.0),
            "300/1,000 samples, waiting for the other processes",
        ),
        (replace(SCORING, phase="", seconds_left=None, reused=0.0), "300/1,000 samples"),
    ],
)
def test_the_line_says_what_is_known(seen: Snapshot, line: str) -> None:
    assert summary(seen) == line
