"""Whose time it was: answers come in bursts, and what is done with them takes time of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.usage import UsageLog
from gemma_eval.types import Usage


def test_waiting_is_shared_by_tokens_and_dealing_with_answers_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    run = RunDir(tmp_path)
    log = UsageLog(run)
    passes: list[tuple[float, list[tuple[str, int]]]] = [(2.0, [("a", 30), ("b", 9)]), (1.0, [("b", 99)]), (3.0, [("a", 7)])]
    for seconds, answers in passes:
        clock[0] += seconds
        for task, computed in answers:
            log.add(task, Usage(computed, computed, 0), "")
            clock[0] += 0.3  # scored and written
            log.wait()
    log.close()
    found = run.read_json("usage.json")
    assert found["a"]["seconds"] == pytest.approx(2.0 * 31 / 41 + 3.0)
    assert found["b"]["seconds"] == pytest.approx(2.0 * 10 / 41 + 1.0)
    assert found["b"]["computed"] == 108
