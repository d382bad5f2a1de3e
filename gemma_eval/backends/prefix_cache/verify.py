"""`backend.verify`: some requests are answered both ways, and the run stops where the two differ."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from gemma_eval.backends.base import Answer
from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest
from gemma_eval.backends.prefix_cache.score import ScoreJob
from gemma_eval.errors import RunError
from gemma_eval.settings import Dtype
from gemma_eval.types import ScoreResponse

TOLERANCE = {Dtype.float32: (2e-3, 2e-5), Dtype.bfloat16: (0.5, 0.02)}  # nats: per sequence, and per nat of its log-likelihood


def chosen(indices: Sequence[int], count: int, seed: int) -> set[int]:
    """Which of the requests to verify."""
    return set(random.Random(seed).sample(list(indices), min(count, len(indices))))


class Checked:
    """A scoring job that answers only once the plain way has given the same."""

    def __init__(self, job: ScoreJob, full_prompt: ScoreJob, dtype: Dtype) -> None:
        self._job = job
        self._full_prompt = full_prompt
        self._dtype = dtype
        self._found: Answer | None = None

    def requests(self) -> list[EngineRequest]:
        return self._job.requests()

    def take(self, request: EngineRequest, reply: EngineReply) -> list[EngineRequest]:
        if self._found is not None:
            return self._full_prompt.take(request, reply)
        further = self._job.take(request, reply)
        self._found = self._job.answer()
        return further if self._found is None else self._full_prompt.requests()

    def answer(self) -> Answer | None:
        full_prompt = None if self._found is None else self._full_prompt.answer()
        if full_prompt is None or self._found is None:
            return None
        self._compare(self._found.response, full_prompt.response)
        spent = replace(full_prompt.usage, prompt=0)
        return replace(self._found, usage=self._found.usage + spent)

    def _compare(self, found: object, full_prompt: object) -> None:
        assert isinstance(found, ScoreResponse) and isinstance(full_prompt, ScoreResponse)
        absolute, relative = TOLERANCE[self._dtype]
        for choice, (one, other) in enumerate(zip(found.logprobs, full_prompt.logprobs, strict=True)):
            if not abs(one - other) <= absolute + relative * abs(other):
                raise RunError(
                    f"backend.verify: choice {choice} of request {self._job.index} has log-likelihood {one:.4f} through the prefix cache "
                    f"and {other:.4f} without; run with backend.share_prefixes=false, and report this with the versions in environment.json"
                )
