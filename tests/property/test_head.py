"""The output head: log-probabilities as exact as the hidden states are, in bf16 too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.backends.transformers import head


def model_of(weight: torch.Tensor, bias: torch.Tensor | None, softcap: float | None) -> Any:
    """What the head needs of a model."""
    output = SimpleNamespace(weight=weight, bias=bias)
    config = SimpleNamespace(final_logit_softcapping=softcap)
    return SimpleNamespace(get_output_embeddings=lambda: output, config=SimpleNamespace(get_text_config=lambda: config))


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**16),
    asked=st.lists(st.integers(0, 299), min_size=1, max_size=6),
    dtype=st.sampled_from([torch.bfloat16, torch.float32]),
    bias=st.booleans(),
    softcap=st.sampled_from([None, 30.0]),
)
def test_likely_tokens_are_not_rounded(seed: int, asked: list[int], dtype: torch.dtype, bias: bool, softcap: float | None) -> None:
    """Tokens so likely that nothing else counts, asked for after every row, some twice: as float64 has them from the same hidden states."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(5, 64, generator=generator).to(dtype)
    weight = torch.randn(300, 64, generator=generator).div(8).to(dtype)
    offset = torch.zeros(300)
    if bias:
        offset[asked] = 25.0
    else:
        weight[asked] = (weight[asked].float() + 0.4 * hidden.float().mean(0) * 5).to(dtype)
    model = model_of(weight, offset.to(dtype) if bias else None, softcap)
    logits = hidden.double() @ weight.double().T + offset.double()
    expected = (torch.tanh(logits / softcap) * softcap if softcap else logits).log_softmax(1)[:, asked]
    rows, tokens = torch.arange(5).repeat_interleave(len(asked)), torch.tensor(asked).repeat(5)
    logprobs, _ = head.token_logprobs(model, hidden, rows, tokens)
    assert (logprobs <= 1e-5).all()
    assert logprobs.double().tolist() == pytest.approx(expected.flatten().tolist(), abs=5e-3)
