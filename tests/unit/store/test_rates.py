"""How fast earlier runs were: by kind of token where that can be told, and of the same model alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gemma_eval.store.rates import Rates, measured_rates
from gemma_eval.store.run_dir import RunDir

MODEL = {"checkpoint": "x"}


def run(path: Path, model: dict[str, str] = MODEL, **spent: Any) -> None:
    RunDir(path).write_json("environment.json", {"model": model})
    RunDir(path).write_json("usage.json", spent)


def score(computed: int, seconds: float, **more: Any) -> dict[str, Any]:
    return {"prompt": computed, "computed": computed, "generated": 0, "seconds": seconds} | more


def text(read: int, generated: int, seconds: float, **more: Any) -> dict[str, Any]:
    return {"prompt": read, "computed": read + generated, "generated": generated, "seconds": seconds} | more


def test_the_rate_is_that_of_all_runs_of_the_same_model(tmp_path: Path) -> None:
    run(tmp_path / "a", piqa=score(500, 2.0))
    run(tmp_path / "b", piqa=score(500, 3.0))
    run(tmp_path / "c", {"checkpoint": "y"}, piqa=score(500, 100.0))
    assert measured_rates(tmp_path, MODEL) == Rates(200.0, None)
    assert measured_rates(tmp_path, {"checkpoint": "z"}) is None


def test_reading_is_taken_out_of_the_time_of_texts(tmp_path: Path) -> None:
    """1,000 tokens a second are read, so 2,000 tokens of prompts take 2 of the 12 seconds; 500 are generated in the other 10."""
    run(tmp_path / "a", piqa=score(4000, 4.0, timed=True), gsm8k=text(2000, 500, 12.0, timed=True))
    assert measured_rates(tmp_path, MODEL) == Rates(1000.0, 50.0)


def test_without_scoring_the_two_cannot_be_told_apart(tmp_path: Path) -> None:
    run(tmp_path / "a", gsm8k=text(2000, 500, 10.0))
    assert measured_rates(tmp_path, MODEL) == Rates(250.0, 250.0)


def test_texts_are_not_generated_faster_than_prompts_are_read(tmp_path: Path) -> None:
    run(tmp_path / "a", piqa=score(1000, 1.0, timed=True), niah=text(32_000, 10, 32.001, timed=True))
    run(tmp_path / "b", niah=text(32_000, 10, 31.0, timed=True))
    assert measured_rates(tmp_path, MODEL) == Rates(1000.0, 1000.0)


def test_times_that_cannot_be_told_apart_do_not_count(tmp_path: Path) -> None:
    """An old run of both kinds has booked time on the wrong task; one of a single kind has the right sum."""
    run(tmp_path / "mixed", piqa=score(10_000, 0.001), gsm8k=text(2000, 500, 24.0))
    assert measured_rates(tmp_path, MODEL) is None
    run(tmp_path / "scored", piqa=score(10_000, 0.001), arc_easy=score(2000, 24.0))
    rates = measured_rates(tmp_path, MODEL)
    assert rates is not None and rates.read == pytest.approx(500.0, rel=1e-4) and rates.generated is None


def test_a_damaged_run_says_nothing(tmp_path: Path) -> None:
    run(tmp_path / "a", piqa=score(500, 2.0))
    run(tmp_path / "b", piqa={"seconds": "long"})
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "environment.json").write_text("{")
    assert measured_rates(tmp_path, MODEL) == Rates(250.0, None)


def test_time_for_tokens() -> None:
    assert Rates(100.0, 10.0).seconds(300, 20) == 5.0
    assert Rates(100.0, None).seconds(300, 0) == 3.0 and Rates(100.0, None).seconds(300, 1) is None
