"""Decoder models that users bring: a Llama takes the tree as it is; one whose attention cannot be replaced falls back, and says so."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM, LlamaConfig, LlamaForCausalLM

from gemma_eval.backends.transformers import TransformersBackend
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.data.sources import open_source
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.settings import Dtype, TransformersConfig
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, Prompt, Request, ScoreResponse
from tests.settings import compose

SMALL: dict[str, Any] = {
    "vocab_size": 128,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LLAMA = LlamaConfig(**SMALL, intermediate_size=32, num_attention_heads=4, num_key_value_heads=2, initializer_range=0.5)
BLOOM = BloomConfig(
    vocab_size=128, hidden_size=16, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.5
)


class Letters:
    """A tokenizer for token ids that nobody reads."""

    eos_token_id = 2
    pad_token_id = 0

    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        return "".join(chr(64 + i) for i in ids)


def saved(model: Any, folder: Path) -> Path:
    torch.manual_seed(0)
    type(model)(model.config).save_pretrained(folder)
    return folder


def backend_for(folder: Path, share: bool) -> TransformersBackend:
    made = TransformersBackend(TransformersConfig(dtype=Dtype.float32, device="cpu", share_prefixes=share), Checkpoint(folder, {}, 512))
    made.__dict__["tokenizer"] = Letters()
    return made


def requests() -> list[Encoded]:
    random = np.random.default_rng(1)
    prompts = [np.concatenate([[1], np.arange(10, 40), random.integers(5, 99, 5)]).astype(np.int32) for _ in range(5)]
    made: list[Encoded] = [
        EncodedScore(tuple(np.append(p, c).astype(np.int32) for c in ([7, 8], [9], [7, 3])), (len(p),) * 3) for p in prompts
    ]
    return made + [EncodedGenerate(prompt, Generate(Prompt(("",)), (), 8)) for prompt in prompts]


def test_accelerate_places_the_model(tmp_path: Path) -> None:
    """With a device map, which loads through accelerate as on several GPUs, answers are the same."""
    folder = saved(LlamaForCausalLM(LLAMA), tmp_path)
    made = TransformersBackend(TransformersConfig(dtype=Dtype.float32, device_map="auto"), Checkpoint(folder, {}, 512))
    made.__dict__["tokenizer"] = Letters()
    expected = {answer.index: answer.response for answer in backend_for(folder, share=True).answer(requests())}
    for answer in made.answer(requests()):
        if isinstance(answer.response, ScoreResponse):
            assert answer.response.logprobs == pytest.approx(expected[answer.index].logprobs, abs=1e-4)  # type: ignore[union-attr]
        else:
            assert answer.response == expected[answer.index]


def check_same(folder: Path) -> int:
    """Shared and plain answers agree; returns the tokens that sharing computed."""
    shared, plain = (list(backend_for(folder, share).answer(requests())) for share in (True, False))
    expected = {answer.index: answer.response for answer in plain}
    assert {answer.index for answer in shared} == set(range(10))
    for answer in shared:
        other = expected[answer.index]
        if isinstance(answer.response, ScoreResponse) and isinstance(other, ScoreResponse):
            assert answer.response.logprobs == pytest.approx(other.logprobs, abs=1e-4)
            assert answer.response.greedy == other.greedy
        else:
            assert answer.response == other
    return sum(answer.usage.computed for answer in shared)


def test_a_llama_shares_prefixes(tmp_path: Path) -> None:
    folder = saved(LlamaForCausalLM(LLAMA), tmp_path)
    computed = check_same(folder)
    assert computed < 0.4 * sum(answer.usage.computed for answer in backend_for(folder, share=False).answer(requests()))


def test_a_real_llama_shares_prefixes(smollm2_gguf: Path) -> None:
    """SmolLM2-135M-Instruct, from its GGUF file, over bundled few-shot items: scores and texts."""
    checkpoint = resolve(compose("model=local", f"model.path={smollm2_gguf}"))
    samples = [
        sample
        for name in ("arc_challenge", "gsm8k")
        for sample in build(registry()[name](), open_source(root=None, samples=True)).samples[:3]
    ]
    backends = [
        TransformersBackend(TransformersConfig(dtype=Dtype.float32, device="cpu", share_prefixes=share), checkpoint)
        for share in (True, False)
    ]
    renderer = Renderer(backends[0].tokenizer, context_length=checkpoint.context_length)
    asked: list[Any] = renderer.encode([replace_max_tokens(sample.request) for sample in samples])
    shared, plain = ({answer.index: answer for answer in made.answer(asked)} for made in backends)
    for index, answer in shared.items():
        other = plain[index].response
        if isinstance(answer.response, ScoreResponse) and isinstance(other, ScoreResponse):
            assert answer.response.logprobs == pytest.approx(other.logprobs, abs=1e-3, rel=2e-5)
            assert answer.response.greedy == other.greedy
        else:
            assert answer.response == other
    assert sum(a.usage.computed for a in shared.values()) < 0.4 * sum(a.usage.computed for a in plain.values())


def replace_max_tokens(request: Request) -> Request:
    return replace(request, max_tokens=8) if isinstance(request, Generate) else request


def test_what_cannot_be_expressed_falls_back_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Bloom adds a bias by distance to its attention scores, in code of its own."""
    folder = saved(BloomForCausalLM(BLOOM), tmp_path)
    with caplog.at_level(logging.WARNING, logger="gemma_eval"):
        answers = list(backend_for(folder, share=True).answer(requests()))
    assert "BloomForCausalLM: prefixes are not shared, and every full prompt is computed" in caplog.text
    assert len(answers) == 10
    assert all(answer.usage.computed == answer.usage.prompt for answer in answers)
