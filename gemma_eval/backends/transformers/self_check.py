"""Does tree attention answer as the model itself does, and do images attend as they must? The model is asked.

Lists of model classes, attention implementations or versions would soon be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from gemma_eval.backends.base import Answer
from gemma_eval.backends.self_check import difference, small_requests
from gemma_eval.backends.transformers import full_prompt, score
from gemma_eval.backends.transformers.image_embeddings import ImageEmbeddings
from gemma_eval.plan.tree import FIRST_IMAGE
from gemma_eval.settings import Dtype
from gemma_eval.types import EncodedScore, Response


def self_check(model: Any) -> str | None:
    """None if a small tree of requests scores as full prompts do; else what differs, in words."""
    images = _image_embeddings(model) if reads_images(model) else None
    requests = small_requests(model.get_input_embeddings().weight.shape[0])
    if images:
        requests = [_with_images(request, number) for number, request in enumerate(requests)]
    try:
        shared = _in_order(score.score(model, requests, budget=24, images=images))
    except (TypeError, ValueError, AttributeError, KeyError, RuntimeError) as error:
        return f"its attention cannot be replaced ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
    full_prompts = _in_order(full_prompt.score(model, requests, budget=256, images=images))
    return difference(shared, full_prompts, Dtype(str(model.dtype).removeprefix("torch.")))


def _in_order(answers: Iterator[Answer]) -> list[Response]:
    return [answer.response for answer in sorted(answers, key=lambda answer: answer.index)]


def reads_images(model: Any) -> bool:
    """Whether a model has an image tower."""
    return getattr(model.config, "vision_config", None) is not None


def attends_both_ways(model: Any) -> bool:
    """Whether, in the model's own attention, the first token of an image sees its last, and the text before the image does not."""
    ids = torch.arange(10, 22)[None]
    ids[:, 4:8] = FIRST_IMAGE
    table = model.get_input_embeddings()

    def hidden_states(last: int) -> torch.Tensor:
        features = table(torch.tensor([30, 31, 32, last], device=table.weight.device))
        return full_prompt.hidden_states(model, ids, torch.ones_like(ids), ImageEmbeddings(4, lambda _: [features]))

    moved = (hidden_states(33) - hidden_states(34)).abs().amax(dim=(0, 2))
    return bool(moved[4] > 10 * moved[:4].max())


def _image_embeddings(model: Any) -> ImageEmbeddings:
    """Images of four tokens each, with the embeddings of words."""
    table = model.get_input_embeddings()

    def features(numbers: list[int]) -> list[torch.Tensor]:
        return [table(torch.arange(50 + 4 * number, 54 + 4 * number, device=table.weight.device)) for number in numbers]

    return ImageEmbeddings(4, features)


def _with_images(request: EncodedScore, number: int) -> EncodedScore:
    """A small request with an image among its exemplars, and an image of its own in the question."""
    sequences = [sequence.copy() for sequence in request.sequences]
    for sequence in sequences:
        sequence[6:10] = FIRST_IMAGE
        sequence[21:25] = FIRST_IMAGE + 1 + number
    return EncodedScore(tuple(sequences), request.starts)
