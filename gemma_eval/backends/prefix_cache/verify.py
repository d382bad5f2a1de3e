"""`backend.verify`: some requests are scored in full too, and the run stops where the two results differ."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from gemma_eval.backends.base import Answer
from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest
from gemma_eval.backends.prefix_cache.score import ScoreJob
from gemma_eval.backends.tolerance import TOLERANCES
from gemma_eval.errors import RunError
from gemma_eval.settings import Dtype
from gemma_eval.types import ScoreResponse


def drawn(indices: Sequence[int], count: int, seed: int) -> set[int]:
    """`count` of the indices, drawn at random: the requests to verify."""
    return set(random.Random(seed).sample(list(indices), min(count, len(indices))))


class VerifiedJob:
    """A scoring job that answers only once full prompts have given the same log-likelihoods."""

    def __init__(self, job: ScoreJob, full_prompt: ScoreJob, dtype: Dtype) -> None:
        self.index = job.index
        self._job = job
        self._full_prompt = full_prompt
        self._dtype = dtype
        self._found: Answer | None = None

    def requests(self) -> list[EngineRequest]:
        """What the scoring job asks."""
        return self._job.requests()

    def take(self, request: EngineRequest, reply: EngineReply) -> list[EngineRequest]:
        """Note a reply. Full prompts are asked for once the scoring job has its answer."""
        if self._found is not None:
            return self._full_prompt.take(request, reply)
        further = self._job.take(request, reply)
        self._found = self._job.answer()
        return further if self._found is None else self._full_prompt.requests()

    def answer(self) -> Answer | None:
        """The scoring job's answer, with the tokens of both. Raises `RunError` if full prompts give another."""
        full_prompt = None if self._found is None else self._full_prompt.answer()
        if full_prompt is None or self._found is None:
            return None
        self._compare(self._found.response, full_prompt.response)
        spent = replace(full_prompt.usage, prompt=0)
        return replace(self._found, usage=self._found.usage + spent)

    def _compare(self, found: object, full_prompt: object) -> None:
        assert isinstance(found, ScoreResponse) and isinstance(full_prompt, ScoreResponse)
        tolerance = TOLERANCES[self._dtype]
        pairs = zip(found.logprobs, full_prompt.logprobs, found.lengths, strict=True)
        for choice, (one, other, tokens) in enumerate(pairs):
            if not abs(one - other) <= tolerance.of_sum(tokens):
                raise RunError(
                    f"backend.verify: choice {choice} of request {self._job.index} has log-likelihood {one:.4f} through the prefix cache "
                    f"and {other:.4f} without; run with backend.share_prefixes=false, and report this with the versions in environment.json"
                )
