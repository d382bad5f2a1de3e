"""Several real processes make one run: the same records as one, and a death that is noticed and loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from gemma_eval.run.pipeline import run
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import ScoreResponse
from tests.settings import compose

TASKS = {"piqa": 8, "arc_challenge": 8, "trivia_qa": 6, "math": 2}  # scoring, generating, and scores that take their time
SETTINGS = [
    "model=270m", "weights=gguf_q4_k_m", "data=samples", "backend.dtype=float32", "tasks.arc_challenge.num_fewshot=5",
    *(f"tasks.{name}.limit={limit}" for name, limit in TASKS.items()), "tasks.trivia_qa.max_tokens=8", "tasks.math.max_tokens=4",
]  # fmt: skip
ALL, QUICK = "suite.tasks=[piqa,arc_challenge,trivia_qa,math]", "suite.tasks=[piqa,arc_challenge,trivia_qa]"
TORCHRUN = ["torch.distributed.run", "--nproc-per-node=2"]
ACCELERATE = ["accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_processes=2"]  # takes the CPU where there is no GPU
PATIENCE = 120.0


def launch(launcher: list[str], results: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", *launcher, "-m", "gemma_eval", "run", *SETTINGS, f"results={results}", "run=r", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def alone(gemma_270m: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """The run of one process."""
    return run(compose(*SETTINGS, ALL, f"results={tmp_path_factory.mktemp('alone')}", "run=r")).run


def assert_same(found: RunDir, expected: RunDir) -> None:
    assert not found.parts()
    for task in found.manifest.tasks:
        pairs = list(zip(found.records(task), expected.records(task), strict=True))
        assert len(pairs) == TASKS[task]
        for a, b in pairs:
            if isinstance(a.response, ScoreResponse) and isinstance(b.response, ScoreResponse):
                assert a.response.logprobs == pytest.approx(b.response.logprobs, abs=1e-3, rel=2e-5)
                a = replace(a, response=b.response)
            assert a == b
        lines = [json.loads(line) for line in found.records_file(task).read_text().splitlines()]
        scored = [line["id"] for line in lines if line["scores"]]
        assert len(set(scored)) == len(scored) == TASKS[task], "a sample was answered twice"
        assert found.scores.tasks[task].metrics == expected.scores.tasks[task].metrics


@pytest.mark.model
def test_two_processes_are_as_one(alone: RunDir, tmp_path: Path) -> None:
    process = launch(ACCELERATE, tmp_path, ALL)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert output.count("run directory:") == output.count("loading ") == 1 and "process 1" not in output
    two = RunDir(tmp_path / "r")
    assert_same(two, alone)
    for name, entry in two.scores.tasks.items():
        one = alone.scores.tasks[name].tokens
        assert entry.tokens.prompt == one.prompt and entry.tokens.generated == one.generated
    computed = [sum(entry.tokens.computed for entry in directory.scores.tasks.values()) for directory in (alone, two)]
    assert computed[0] < computed[1] < 1.5 * computed[0]  # above two cuts, prefixes are computed twice


@pytest.mark.model
def test_a_death_ends_the_run_and_loses_nothing(alone: RunDir, tmp_path: Path) -> None:
    directory = RunDir(tmp_path / "r")
    process = launch(TORCHRUN, tmp_path, QUICK, "backend.pass_tokens=128", "backend.cache_tokens=300")  # records trickle
    other = directory.part(1).path / "records"
    deadline = time.monotonic() + PATIENCE
    while sum(file.read_bytes().count(b"\n") for file in other.glob("*.jsonl")) < 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    (second,) = [child for child in psutil.Process(process.pid).children() if child.environ().get("LOCAL_RANK") == "1"]
    second.kill()
    output, _ = process.communicate(timeout=30)
    assert process.returncode != 0 and "SIGKILL" in output
    kept = {(task, record.key): record for task in directory.manifest.tasks for record in directory.found(task).values()}
    assert len(kept) >= 3
    finished = run(compose(*SETTINGS, QUICK, f"results={tmp_path}", "run=r")).run
    assert_same(finished, alone)
    for task in finished.manifest.tasks:
        for record in finished.records(task):
            assert kept.get((task, record.key), record).response == record.response  # what was there was not asked again
