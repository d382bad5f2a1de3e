"""The real vLLM engine with the real Gemma 3 270M: `make test-vllm`. Engines take long to start, so tests share them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gemma_eval.backends.vllm import VllmBackend
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.settings import Dtype, VllmConfig
from tests.settings import compose

os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")  # compiling vLLM's small kernels takes longer than these tests
MEMORY = 1 << 30


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("vllm") is None:
        here = Path(__file__).parent
        for item in items:
            if item.path.is_relative_to(here):
                item.add_marker(pytest.mark.skip(reason="vLLM is not installed in this environment: make test-vllm"))


@pytest.fixture(scope="session")
def checkpoint(gemma_270m: Path) -> Checkpoint:
    return resolve(compose("model=270m", "weights=gguf_q4_k_m"))


@pytest.fixture(scope="session")
def vllm_backend(checkpoint: Checkpoint) -> Iterator[VllmBackend]:
    """An engine in float32 that takes requests of up to 2,048 tokens."""
    settings = VllmConfig(dtype=Dtype.float32, enforce_eager=True, max_model_len=2048, engine_args={"kv_cache_memory_bytes": MEMORY})
    backend = VllmBackend(settings, checkpoint)
    yield backend
    backend.close()
