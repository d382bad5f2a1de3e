"""Prefix-shared scoring equals full-prompt scoring, whatever the budget and the order, beyond the sliding window too."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from gemma_eval.backends.transformers import full_prompt, tree_attention
from gemma_eval.backends.transformers.score import score
from gemma_eval.backends.transformers.self_check import self_check
from gemma_eval.backends.transformers.tree_attention import TREE_ATTENTION
from gemma_eval.types import EncodedScore, ScoreResponse


@pytest.fixture(scope="module")
def tree_model(tiny_gemma: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny_gemma, dtype=torch.float32, attn_implementation=TREE_ATTENTION).eval()


@pytest.fixture(scope="module")
def eager_model(tiny_gemma: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny_gemma, dtype=torch.float32, attn_implementation="eager").eval()


@torch.inference_mode()
def by_definition(model: Any, request: EncodedScore) -> ScoreResponse:
    """The definition: run the whole sequence, log-softmax over the whole vocabulary, add up."""
    sums, greedy = [], []
    for sequence, start in zip(request.sequences, request.starts, strict=True):
        ids = torch.from_numpy(sequence).long()
        logprobs = model(ids[None, :-1]).logits[0, start - 1 :].double().log_softmax(-1)
        sums.append(float(logprobs.gather(1, ids[start:, None]).sum()))
        greedy.append(bool((logprobs.argmax(-1) == ids[start:]).all()))
    return ScoreResponse(tuple(sums), tuple(len(s) - b for s, b in zip(request.sequences, request.starts, strict=True)), tuple(greedy))


TOKENS = st.lists(st.integers(5, 9), min_size=1, max_size=30)


@st.composite
def requests(draw: st.DrawFn) -> list[EncodedScore]:
    """Questions under shared exemplars, up to 64 tokens deep (the window is 16), with one to four choices each."""
    exemplars = draw(TOKENS)
    found = []
    for _ in range(draw(st.integers(1, 5))):
        prompt = [2, *(exemplars if draw(st.booleans()) else []), *draw(TOKENS)]
        choices = draw(st.lists(st.lists(st.integers(5, 9), min_size=1, max_size=6), min_size=1, max_size=4))
        sequences = tuple(np.asarray(prompt + choice, dtype=np.int32) for choice in choices)
        found.append(EncodedScore(sequences, (len(prompt),) * len(sequences)))
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=requests(),
    budget=st.sampled_from([3, 8, 33, 2000]),
    queries=st.sampled_from([1, 7, 256]),
    share=st.booleans(),
    seed=st.integers(0, 3),
)
def test_shared_prefixes_equal_full_prompts(
    tree_model: Any, eager_model: Any, batch: list[EncodedScore], budget: int, queries: int, share: bool, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(batch))
    run = score if share else full_prompt.score
    with patch.object(tree_attention, "QUERIES_CPU", queries):
        answers = {int(order[a.index]): a.response for a in run(tree_model, [batch[i] for i in order], budget)}
    assert sorted(answers) == list(range(len(batch)))
    for index, request in enumerate(batch):
        expected, found = by_definition(eager_model, request), answers[index]
        assert isinstance(found, ScoreResponse)
        assert found.logprobs == pytest.approx(expected.logprobs, abs=1e-3, rel=2e-5)
        assert found.lengths == expected.lengths
        assert found.greedy == expected.greedy


def test_usage_counts_unique_tokens_once(tree_model: Any) -> None:
    prompt = [2, *range(10, 30)]
    batch = [EncodedScore(tuple(np.asarray([*prompt, q, c, 7], dtype=np.int32) for c in (1, 3)), (len(prompt) + 1,) * 2) for q in (5, 6)]
    answers = list(score(tree_model, batch, 1000))
    assert sum(a.usage.computed for a in answers) == len(prompt) + 2 * (1 + 2)
    assert sum(a.usage.prompt for a in answers) == 4 * (len(prompt) + 2)


def test_the_self_check_passes_where_the_tree_fits_and_sees_where_it_does_not(tree_model: Any, eager_model: Any) -> None:
    assert self_check(tree_model) is None
    assert self_check(eager_model) is not None  # eager attention ignores the tree
