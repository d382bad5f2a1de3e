"""`gemma-eval run backend=vllm` as users run it: killed, resumed, and compared with the transformers backend, also by the doctor."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.vllm.command import SETTINGS, assert_same_answers, finish, start, wait_for_records

pytestmark = [pytest.mark.vllm, pytest.mark.model]

VLLM = ["backend=vllm", "backend.enforce_eager=true", "backend.engine_args.kv_cache_memory_bytes=1073741824"]
RUN = [*SETTINGS, "data=samples", "suite.tasks=[piqa,mmlu,winogrande,gsm8k]", "tasks.gsm8k.max_tokens=16"]


def test_a_killed_run_is_resumed_and_scores_as_on_transformers(gemma_270m: Path, tmp_path: Path) -> None:
    killed = start("run", *RUN, *VLLM, f"results={tmp_path}", "run=vllm")
    before = wait_for_records(tmp_path / "vllm", 3, killed)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    finish(start("run", *RUN, *VLLM, f"results={tmp_path}", "run=vllm"))
    finish(start("run", *RUN, f"results={tmp_path}", "run=transformers"))
    assert_same_answers(tmp_path / "vllm", tmp_path / "transformers")
    scores = json.loads((tmp_path / "vllm" / "scores.json").read_text())["tasks"]
    assert before < sum(task["n"] for task in scores.values())
    assert set(scores["mmlu"]["methods"]) <= {"next_token"}  # what was answered just before the kill has its records, but no usage
    assert set(scores["gsm8k"]["methods"]) == {"generate"}


@pytest.mark.slow
def test_every_text_row_answers_as_on_transformers(gemma_270m: Path, tmp_path: Path) -> None:
    """Two items of each, with the demo's limits on long answers."""
    rows = ["experiment=demo", "limit=2", "backend.dtype=float32", f"results={tmp_path}"]
    finish(start("run", *rows, *VLLM, "run=vllm"))
    finish(start("run", *rows, "backend.compile=off", "run=transformers"))
    assert_same_answers(tmp_path / "vllm", tmp_path / "transformers")


def test_the_doctor_finds_the_engine_healthy(gemma_270m: Path) -> None:
    """The reference stored for this checkpoint was made by the transformers backend in float32."""
    printed = finish(start("doctor", *SETTINGS, *VLLM))
    assert "not healthy" not in printed and "same greedy text" in printed
