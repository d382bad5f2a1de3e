"""records/<task>.jsonl: typed, read by line, and without any number that is not finite."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.errors import RunError
from gemma_eval.store.records import record_from_json, record_of_line, record_to_json, sound
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import Record, ScoreResponse
from tests.damage import damaged_bytes
from tests.limits import files_of_at_most
from tests.runs import answers, generated, write_run

RECORD = answers([True])[0]
TEXT = generated("gsm8k", "7", "The answer is 4.", ["4"])
ODD = [math.nan, math.inf, -math.inf]


def rewritten(run: RunDir, task: str, number: int, change: dict[str, Any]) -> None:
    """Give one line of the records other fields, as an older version would have written it."""
    file = run.records_file(task)
    lines = file.read_text().splitlines()
    lines[number] = json.dumps(json.loads(lines[number]) | change)
    file.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("odd", ODD)
def test_an_answer_that_is_not_finite_counts_as_missing(odd: float, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = write_run(tmp_path / "run", {"piqa": answers([True, False, True])})
    rewritten(run, "piqa", 1, {"response": {"logprobs": [odd, -1.0], "lengths": [3, 3], "greedy": [False, False]}})
    with caplog.at_level(logging.WARNING):
        assert [record.id for record in run.records("piqa")] == ["0", "2"]
    assert "1 answers are not finite numbers (sample 1) and count as missing; the same `gemma-eval run` command asks" in caplog.text
    with run.reading("piqa") as read:
        assert [read(key) is None for key in run.keys("piqa")] == [False, True, False]
    with run.append("piqa") as again:  # the answer is computed anew
        again.write(answers([True, False, True])[1])
    caplog.clear()
    assert len(run.records("piqa")) == 3 and not caplog.text


@pytest.mark.parametrize("odd", ODD)
def test_a_score_that_is_not_finite_is_made_anew(odd: float, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = write_run(tmp_path / "run", {"piqa": answers([True, False])})
    rewritten(run, "piqa", 0, {"scores": {"acc": odd, "acc_norm": 1.0}})
    with caplog.at_level(logging.WARNING):
        assert [record.id for record in run.answers("piqa")] == ["0", "1"] and [record.id for record in run.records("piqa")] == ["1"]
    assert "1 scores are not finite numbers (sample 0) and count as missing; `gemma-eval rescore` makes them anew" in caplog.text


def test_numbers_of_the_data_set_that_are_not_finite_are_null(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"piqa": [replace(RECORD, fields={"year": math.nan, "at": [math.inf, 1.5]})]})
    assert "NaN" not in run.records_file("piqa").read_text()
    assert run.records("piqa")[0].fields == {"year": None, "at": [None, 1.5]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"response": {"logprobs": [1.0]}}, "response"),
        ({"response": {"logprobs": [1.0], "lengths": [1, 2], "greedy": [True]}}, "its lists differ in length"),
        ({"response": {"logprobs": ["high"], "lengths": [1], "greedy": [True]}}, "response"),
        ({"scores": {"acc": "high"}}, r"scores\.acc"),
        ({"scores": [1]}, "scores"),
        ({"id": 3}, "id: "),
        ({"new": 3}, "new: "),
        ({"schema": 99}, "has schema 99, which this version of gemma_eval does not read; use a newer version"),
    ],
)
def test_a_damaged_record_is_named_by_file_line_and_field(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"piqa": answers([True, False])})
    rewritten(run, "piqa", 1, change)
    with pytest.raises(RunError, match=rf"piqa.jsonl:2: damaged record \(.*{message}.*\); delete the line and run the same command"):
        run.found("piqa")


@settings(deadline=None, max_examples=100)
@given(st.sampled_from([RECORD, TEXT]).flatmap(lambda record: damaged_bytes(json.dumps(record_to_json(record)).encode())))
def test_a_line_is_a_sound_record_or_none(line: bytes) -> None:
    try:
        record = record_of_line(line)
    except ValueError:
        return
    counted = sound(record)
    assert counted is None or record_from_json(json.loads(json.dumps(record_to_json(counted), allow_nan=False))) == counted


def test_a_full_disk_leaves_whole_records(tmp_path: Path) -> None:
    run, records = RunDir(tmp_path), answers([True] * 30)
    with files_of_at_most(2000), pytest.raises(OSError) as raised, run.append("piqa") as out:
        for record in records:
            out.write(record)
    assert raised.value.filename == str(run.records_file("piqa"))
    kept = list(run.found("piqa").values())
    assert 3 < len(kept) < 10 and kept == records[: len(kept)]
    with run.append("piqa") as out:
        for record in records[len(kept) :]:
            out.write(record)
    assert list(run.found("piqa").values()) == records


def test_sound_records_are_themselves() -> None:
    assert sound(RECORD) is RECORD and isinstance(RECORD, Record) and isinstance(RECORD.response, ScoreResponse)
