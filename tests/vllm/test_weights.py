"""What `weights=` promises is seen in the layers that a real vLLM loads on a CPU, or the run is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gemma_eval.backends.vllm import VllmBackend
from gemma_eval.checkpoint.quantization import Promise
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.errors import ConfigError
from gemma_eval.settings import Quantization, VllmConfig
from gemma_eval.types import Encoded, EncodedScore, ScoreResponse
from tests.quantized import save_w8a8
from tests.settings import compose

pytestmark = [pytest.mark.vllm, pytest.mark.model]

Opened = Callable[[Checkpoint], VllmBackend]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Backends in bfloat16, which are closed in the end."""
    backends: list[VllmBackend] = []

    def backend_of(checkpoint: Checkpoint) -> VllmBackend:
        settings = VllmConfig(enforce_eager=True, max_model_len=512, engine_args={"kv_cache_memory_bytes": 1 << 28})
        backends.append(VllmBackend(settings, checkpoint))
        return backends[-1]

    yield backend_of
    for backend in backends:
        backend.close()


@pytest.fixture(scope="module")
def quantized(gemma_270m: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("w8a8")
    save_w8a8(gemma_270m, folder)
    return folder


def question(backend: VllmBackend) -> list[Encoded]:
    """A sentence, scored from its third token on."""
    ids = np.array(backend.tokenizer("The capital of France is Paris, and that of Italy is Rome.")["input_ids"], dtype=np.int32)
    return [EncodedScore((ids,), (3,))]


def logprob(backend: VllmBackend) -> float:
    (answer,) = backend.answer(question(backend))
    assert isinstance(answer.response, ScoreResponse)
    return answer.response.logprobs[0]


def test_stored_integers_are_loaded_and_seen(quantized: Path, checkpoint: Checkpoint, opened: Opened) -> None:
    """By a promise, and without one. Scores are near those of the checkpoint that they were made from, but not the same."""
    promised = opened(resolve(compose("backend=vllm", "model=local", f"model.path={quantized}", "weights=w8a8")))
    local = opened(resolve(compose("backend=vllm", "model=local", f"model.path={quantized}")))
    exact = opened(checkpoint)
    found = logprob(promised)
    assert promised._engines[0].stored_layers() == {"compressed-tensors": 18 * 4}  # vLLM joins q, k, v, and gate, up
    promised.close()
    assert logprob(local) == pytest.approx(found, abs=0.5)
    local.close()
    assert 0 < abs(logprob(exact) - found) < 3
    assert exact._engines[0].stored_layers() == {"not quantized": 18 * 4}
    assert promised.fingerprint["quantization"] == "compressed-tensors" and exact.fingerprint["quantization"] is None


def test_quantized_layers_are_not_scored_as_bf16(quantized: Path, checkpoint: Checkpoint, opened: Opened) -> None:
    backend = opened(replace(checkpoint, path=quantized, promise=Promise("bf16", Quantization.none)))
    with pytest.raises(ConfigError, match=r"^weights=bf16: promises .* not quantized, but backend=vllm has loaded 72 compressed-tensors\."):
        logprob(backend)


def test_a_cpu_that_cannot_make_fp8_does_not_score_in_bf16(checkpoint: Checkpoint, opened: Opened) -> None:
    backend = opened(replace(checkpoint, promise=Promise("fp8", Quantization.fp8)))
    assert backend.fingerprint["quantization"] == "fp8_per_tensor" != opened(checkpoint).fingerprint["quantization"]
    with pytest.raises(ConfigError, match="the engine refuses to start"):
        logprob(backend)


def test_a_quantization_that_this_vllm_does_not_offer(checkpoint: Checkpoint, opened: Opened) -> None:
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS

    if "bitsandbytes" in QUANTIZATION_METHODS:
        pytest.skip("this vLLM offers bitsandbytes")
    with pytest.raises(ConfigError, match=r"weights=bnb_nf4: vLLM .* does not offer the quantization bitsandbytes"):
        opened(replace(checkpoint, promise=Promise("bnb_nf4", Quantization.bnb_nf4)))
