"""Small requests of arbitrary tokens, which show whether an engine scores shared prefixes as it scores full prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gemma_eval.backends.tolerance import TOLERANCES
from gemma_eval.settings import Dtype
from gemma_eval.types import EncodedScore, Response, ScoreResponse

SHARED = "shared prefixes score as full prompts do"


def unshared(reason: str) -> str:
    """That full prompts are computed, in the words of a report, and why, if that is known."""
    return f"every full prompt is computed{f': {reason}' if reason else ''}"


def small_requests(vocabulary: int, exemplars: int = 20) -> list[EncodedScore]:
    """Two questions of two choices of three tokens each, under `exemplars` shared tokens. `vocabulary`: one past the largest id."""
    random = np.random.default_rng(0)
    shared = random.integers(10, vocabulary, exemplars)
    requests = []
    for _ in range(2):
        question = np.concatenate([shared, random.integers(10, vocabulary, 6)])
        sequences = [np.concatenate([question, random.integers(10, vocabulary, 3)]).astype(np.int32) for _ in range(2)]
        requests.append(EncodedScore(tuple(sequences), (len(question),) * 2))
    return requests


def difference(shared: Sequence[Response], full_prompt: Sequence[Response], dtype: Dtype) -> str | None:
    """None if all log-likelihoods agree within the tolerance of the dtype; else by how much one of them differs, in words.

    Where a full prompt itself has none that is finite, sharing is not to blame: `doctor.startup` says what is wrong.
    """
    for one, other in zip(shared, full_prompt, strict=True):
        assert isinstance(one, ScoreResponse) and isinstance(other, ScoreResponse)
        for a, b, tokens in zip(one.logprobs, other.logprobs, one.lengths, strict=True):
            apart, allowed = abs(a - b), TOLERANCES[dtype].of_sum(tokens)
            if math.isfinite(b) and not apart <= allowed:
                return f"a log-likelihood of {tokens} tokens is {apart:.3g} nats from that of the full prompt (allowed: {allowed:.3g})"
    return None
