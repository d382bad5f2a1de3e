"""Settings of the vLLM backend, where no engine is needed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from gemma_eval.backends import open_backend
from gemma_eval.backends.vllm.engine import _cores, _gpus
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError
from gemma_eval.settings import VllmConfig
from tests.settings import compose


def test_any_engine_argument_can_be_given() -> None:
    backend = compose("backend=vllm", "backend.engine_args.block_size=16", "backend.engine_args.hf_overrides={head_dtype: float32}").backend
    assert isinstance(backend, VllmConfig)
    assert backend.engine_args == {"block_size": 16, "hf_overrides": {"head_dtype": "float32"}}


def test_without_vllm_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'gemma-eval\[vllm\]', or make venv-vllm"):
        open_backend(VllmConfig(), Checkpoint(tmp_path, {}, 4096))


def test_replicas_have_devices_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [_gpus(replica, 2)["CUDA_VISIBLE_DEVICES"] for replica in range(2)] == ["0,1", "2,3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6,7")
    assert _gpus(0, 2)["CUDA_VISIBLE_DEVICES"] == "4,6"
    with pytest.raises(ConfigError, match="replica 1 needs 2"):
        _gpus(1, 2)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert [_cores(replica, 2)["VLLM_CPU_OMP_THREADS_BIND"] for replica in range(2)] == ["0,2", "1,3"]
