"""Two ranks of one engine, and two engines on one queue, score as one engine does. Each needs two CPU cores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.vllm.command import SETTINGS, assert_same_answers, finish, start

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPU cores"),
]

RUN = [*SETTINGS, "data=samples", "suite.tasks=[piqa,mmlu,gsm8k]", "limit=6", "tasks.gsm8k.max_tokens=8"]
VLLM = ["backend=vllm", "backend.enforce_eager=true", "backend.engine_args.kv_cache_memory_bytes=536870912"]


@pytest.fixture(scope="module")
def reference(gemma_270m: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    finish(start("run", *RUN, f"results={folder}", "run=one"))
    return folder / "one"


@pytest.mark.parametrize(("setting", "cores"), [("tensor_parallel_size", "{}|{}"), ("data_parallel_size", None)])
def test_two_are_as_one(reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, cores: str | None) -> None:
    if cores:
        monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", cores.format(*sorted(os.sched_getaffinity(0))[:2]))
    finish(start("run", *RUN, *VLLM, f"backend.{setting}=2", f"results={tmp_path}", "run=two"))
    assert_same_answers(tmp_path / "two", reference)
