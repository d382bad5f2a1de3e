"""`gemma-eval run backend=vllm` as users run it: killed, resumed, compared with a run that was not; and the doctor's word on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.vllm, pytest.mark.model]

SETTINGS = ["model=270m", "weights=gguf_q4_k_m", "backend.dtype=float32"]
VLLM = ["backend=vllm", "backend.enforce_eager=true", "backend.engine_args.kv_cache_memory_bytes=1073741824"]
RUN = [*SETTINGS, "data=samples", "suite.tasks=[piqa,mmlu,winogrande,gsm8k]", "tasks.gsm8k.max_tokens=16"]


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gemma_eval.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(*arguments: str) -> str:
    process = start(*arguments)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    return printed


def records(run: Path) -> dict[tuple[str, str], dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for file in (run / "records").glob("*.jsonl"):
        for line in file.read_text().splitlines():
            record = json.loads(line)
            assert (file.stem, record["id"]) not in found, "a sample was answered twice"
            found[file.stem, record["id"]] = record
    return found


def written(run: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in (run / "records").glob("*.jsonl"))


def test_a_killed_run_is_resumed_and_scores_as_on_transformers(gemma_270m: Path, tmp_path: Path) -> None:
    killed = start("run", *RUN, *VLLM, f"results={tmp_path}", "run=vllm")
    deadline = time.monotonic() + 200
    while written(tmp_path / "vllm") < 3:
        assert killed.poll() is None and time.monotonic() < deadline, "finished or stuck before it could be killed"
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = written(tmp_path / "vllm")
    finish("run", *RUN, *VLLM, f"results={tmp_path}", "run=vllm")
    finish("run", *RUN, f"results={tmp_path}", "run=transformers")
    ours, theirs = records(tmp_path / "vllm"), records(tmp_path / "transformers")
    assert before < len(ours) and ours.keys() == theirs.keys()
    for name, record in ours.items():
        assert record["prompt_sha256"] == theirs[name]["prompt_sha256"] and record["key"] != theirs[name]["key"]
        assert record["scores"] == theirs[name]["scores"]
        if "logprobs" in record["response"]:
            assert record["response"]["logprobs"] == pytest.approx(theirs[name]["response"]["logprobs"], abs=2e-3)
        else:
            assert record["response"] == theirs[name]["response"]
    scores = json.loads((tmp_path / "vllm" / "scores.json").read_text())["tasks"]
    assert scores["mmlu"]["methods"] == {"next_token": scores["mmlu"]["n"]} and scores["mmlu"]["tokens"]["reused"] > 0.7
    assert scores["gsm8k"]["methods"] == {"generate": scores["gsm8k"]["n"]}


def test_the_doctor_finds_the_engine_healthy(gemma_270m: Path) -> None:
    """Against the reference that is stored for this checkpoint, made by the transformers backend in float32."""
    printed = finish("doctor", *SETTINGS, *VLLM)
    assert "healthy" in printed and "not healthy" not in printed and "same greedy text" in printed
