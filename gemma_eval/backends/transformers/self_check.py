"""Does tree attention answer as the model itself does, and do images attend as they must? Found out by asking, not from a list of
model classes, attention implementations or versions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gemma_eval.backends.transformers import plain, score
from gemma_eval.backends.transformers.vision import Pictures
from gemma_eval.plan import FIRST_IMAGE
from gemma_eval.types import EncodedScore, ScoreResponse

NATS_PER_TOKEN = {torch.float32: 1e-3, torch.bfloat16: 0.25, torch.float16: 0.1}


def self_check(model: Any) -> str | None:
    """None if a small tree of requests scores as plain batches do, else what differs, in words."""
    pictures = _pictures(model) if reads_images(model) else None
    requests = _requests(model.get_input_embeddings().weight.shape[0], with_images=pictures is not None)
    try:
        shared = {answer.index: answer.response for answer in score.score(model, requests, budget=24, pictures=pictures)}
    except (TypeError, ValueError, AttributeError, KeyError, RuntimeError) as error:
        return f"its attention cannot be replaced ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
    worst = 0.0
    for answer in plain.score(model, requests, budget=256, pictures=pictures):
        one, other = shared[answer.index], answer.response
        assert isinstance(one, ScoreResponse) and isinstance(other, ScoreResponse)
        per_token = [abs(a - b) / n for a, b, n in zip(one.logprobs, other.logprobs, one.lengths, strict=True)]
        worst = max(worst, *per_token)
    if worst <= NATS_PER_TOKEN[model.dtype]:
        return None
    return f"a check against plain prompts differs by {worst:.3g} nats a token"


def reads_images(model: Any) -> bool:
    return getattr(model.config, "vision_config", None) is not None


def attends_both_ways(model: Any) -> bool:
    """Whether the first token of an image sees its last, and the text before it does not, in the model's own attention."""
    ids = torch.arange(10, 22)[None]
    ids[:, 4:8] = FIRST_IMAGE
    table = model.get_input_embeddings()

    def hidden_states(last: int) -> torch.Tensor:
        features = table(torch.tensor([30, 31, 32, last], device=table.weight.device))
        return plain.hidden_states(model, ids, torch.ones_like(ids), Pictures(4, lambda _: [features]))

    moved = (hidden_states(33) - hidden_states(34)).abs().amax(dim=(0, 2))
    return bool(moved[4] > 10 * moved[:4].max())


def _pictures(model: Any) -> Pictures:
    """Pictures of four tokens that look like words."""
    table = model.get_input_embeddings()

    def features(numbers: list[int]) -> list[torch.Tensor]:
        return [table(torch.arange(50 + 4 * number, 54 + 4 * number, device=table.weight.device)) for number in numbers]

    return Pictures(4, features)


def _requests(vocabulary: int, with_images: bool) -> list[EncodedScore]:
    """Two questions of two choices under shared exemplars, of arbitrary tokens; images in exemplars and questions."""
    random = np.random.default_rng(0)
    exemplars = random.integers(10, vocabulary, 20)
    requests = []
    for number in range(2):
        question = np.concatenate([exemplars, random.integers(10, vocabulary, 6)])
        if with_images:
            question[6:10] = FIRST_IMAGE
            question[21:25] = FIRST_IMAGE + 1 + number
        sequences = [np.concatenate([question, random.integers(10, vocabulary, 3)]).astype(np.int32) for _ in range(2)]
        requests.append(EncodedScore(tuple(sequences), (len(question),) * 2))
    return requests
