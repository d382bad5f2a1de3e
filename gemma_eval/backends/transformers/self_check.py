"""Does tree attention answer as the model itself does? Found out by asking, not from a list of model classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gemma_eval.backends.base import Answer
from gemma_eval.backends.self_check import difference, small_requests
from gemma_eval.backends.transformers import plain, score
from gemma_eval.types import Response


def self_check(model: Any) -> str | None:
    """None if a small tree of requests scores as plain batches do, else what differs, in words."""
    requests = small_requests(model.get_input_embeddings().weight.shape[0])
    try:
        shared = _in_order(score.score(model, requests, budget=24))
    except (TypeError, ValueError, AttributeError, KeyError, RuntimeError) as error:
        return f"its attention cannot be replaced ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
    return difference(shared, _in_order(plain.score(model, requests, budget=256)), str(model.dtype).removeprefix("torch."))


def _in_order(answers: Iterator[Answer]) -> list[Response]:
    return [answer.response for answer in sorted(answers, key=lambda answer: answer.index)]
