"""Small requests of arbitrary tokens, to find out whether an engine's fast way of scoring gives what its plain way gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gemma_eval.types import EncodedScore, Response, ScoreResponse

NATS_PER_TOKEN = {"float32": 1e-3, "bfloat16": 0.25, "float16": 0.1}


def small_requests(vocabulary: int, exemplars: int = 20) -> list[EncodedScore]:
    """Two questions of two choices under `exemplars` shared tokens."""
    random = np.random.default_rng(0)
    shared = random.integers(10, vocabulary, exemplars)
    requests = []
    for _ in range(2):
        question = np.concatenate([shared, random.integers(10, vocabulary, 6)])
        sequences = [np.concatenate([question, random.integers(10, vocabulary, 3)]).astype(np.int32) for _ in range(2)]
        requests.append(EncodedScore(tuple(sequences), (len(question),) * 2))
    return requests


def difference(fast: Sequence[Response], full_prompt: Sequence[Response], dtype: str) -> str | None:
    """None if the two agree within the dtype's noise, else by how much they differ, in words."""
    worst = 0.0
    for one, other in zip(fast, full_prompt, strict=True):
        assert isinstance(one, ScoreResponse) and isinstance(other, ScoreResponse)
        per_token = [abs(a - b) / n for a, b, n in zip(one.logprobs, other.logprobs, one.lengths, strict=True)]
        worst = max(worst, *per_token)
    if worst <= NATS_PER_TOKEN[dtype]:
        return None
    return f"a check against plain prompts differs by {worst:.3g} nats a token"
