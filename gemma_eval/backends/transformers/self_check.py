"""Does tree attention answer as the model itself does? Found out by asking, not from a list of model classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gemma_eval.backends.transformers import plain, score
from gemma_eval.types import EncodedScore, ScoreResponse

NATS_PER_TOKEN = {torch.float32: 1e-3, torch.bfloat16: 0.25, torch.float16: 0.1}


def self_check(model: Any) -> str | None:
    """None if a small tree of requests scores as plain batches do, else what differs, in words."""
    requests = _requests(model.get_input_embeddings().weight.shape[0])
    try:
        shared = {answer.index: answer.response for answer in score.score(model, requests, budget=24)}
    except (TypeError, ValueError, AttributeError, KeyError, RuntimeError) as error:
        return f"its attention cannot be replaced ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
    worst = 0.0
    for answer in plain.score(model, requests, budget=256):
        one, other = shared[answer.index], answer.response
        assert isinstance(one, ScoreResponse) and isinstance(other, ScoreResponse)
        per_token = [abs(a - b) / n for a, b, n in zip(one.logprobs, other.logprobs, one.lengths, strict=True)]
        worst = max(worst, *per_token)
    if worst <= NATS_PER_TOKEN[model.dtype]:
        return None
    return f"a check against plain prompts differs by {worst:.3g} nats a token"


def _requests(vocabulary: int) -> list[EncodedScore]:
    """Two questions of two choices under shared exemplars, of arbitrary tokens."""
    random = np.random.default_rng(0)
    exemplars = random.integers(10, vocabulary, 20)
    requests = []
    for _ in range(2):
        question = np.concatenate([exemplars, random.integers(10, vocabulary, 6)])
        sequences = [np.concatenate([question, random.integers(10, vocabulary, 3)]).astype(np.int32) for _ in range(2)]
        requests.append(EncodedScore(tuple(sequences), (len(question),) * 2))
    return requests
