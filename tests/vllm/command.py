"""`gemma-eval` as a process, and the records that it wrote."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SETTINGS = ["model=270m", "weights=gguf_q4_k_m", "backend.dtype=float32"]


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gemma_eval", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    return printed


def records(run: Path) -> dict[tuple[str, str], dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for file in (run / "records").glob("*.jsonl"):
        for line in file.read_text().splitlines():
            record = json.loads(line)
            before = found.get((file.stem, record["id"]))
            assert before is None or not before["scores"], "a sample was answered twice"  # the scores of a slow metric come later
            found[file.stem, record["id"]] = record
    return found


def wait_for_records(run: Path, count: int, process: subprocess.Popen[str]) -> int:
    """Wait until the process has written so many records; returns how many there are."""
    deadline = time.monotonic() + 200
    while (found := sum(file.read_bytes().count(b"\n") for file in (run / "records").glob("*.jsonl"))) < count:
        assert process.poll() is None and time.monotonic() < deadline, "finished or stuck before it could be killed"
        time.sleep(0.01)
    return found


def assert_same_answers(run: Path, reference: Path) -> None:
    """Two engines, one model in float32: the same prompts, log-likelihoods within 2e-3, the same texts and scores."""
    ours, theirs = records(run), records(reference)
    assert ours.keys() == theirs.keys()
    for name, record in ours.items():
        other = theirs[name]
        assert record["prompt_sha256"] == other["prompt_sha256"] and record["key"] != other["key"] and record["scores"] == other["scores"]
        mine, its = dict(record["response"]), dict(other["response"])
        for one, two in zip(mine.pop("logprobs", []), its.pop("logprobs", []), strict=True):
            assert abs(one - two) < 2e-3
        assert mine == its
