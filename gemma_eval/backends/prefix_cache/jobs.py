"""From encoded requests to jobs in prefix order, for any engine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import transformers

from gemma_eval.backends.prefix_cache.feed import CachingEngine, feed
from gemma_eval.backends.prefix_cache.generate import GenerateJob
from gemma_eval.backends.prefix_cache.messages import Job
from gemma_eval.backends.prefix_cache.score import ScoreJob, ScoringMode
from gemma_eval.backends.prefix_cache.verify import VerifiedJob, drawn
from gemma_eval.backends.self_check import difference, small_requests
from gemma_eval.backends.stopping import end_tokens
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import UnansweredError
from gemma_eval.plan.tree import in_prefix_order
from gemma_eval.settings import Dtype
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Response

log = logging.getLogger(__name__)


def score_jobs(requests: Sequence[Encoded], mode: ScoringMode, dtype: Dtype, verify: int, seed: int) -> list[Job]:
    """The scoring requests as jobs. Of `verify` of them, drawn at random, full prompts are computed too and compared."""
    jobs: list[Job] = []
    scores = [i for i, request in enumerate(requests) if isinstance(request, EncodedScore)]
    verified = drawn(scores, verify, seed)
    for index, seen in _in_prefix_order(requests, scores):
        request = requests[index]
        assert isinstance(request, EncodedScore)
        job = ScoreJob(index, request, mode, seen)
        jobs.append(VerifiedJob(job, ScoreJob(index, request, mode.full_prompt), dtype) if index in verified else job)
    return jobs


def generate_jobs(requests: Sequence[Encoded], tokenizer: Any) -> list[Job]:
    """The generation requests as jobs."""
    texts = {i: request for i, request in enumerate(requests) if isinstance(request, EncodedGenerate)}
    return [GenerateJob(index, texts[index], tokenizer) for index, _ in _in_prefix_order(requests, list(texts))]


def _in_prefix_order(requests: Sequence[Encoded], indices: list[int]) -> list[tuple[int, int]]:
    """`indices` so ordered that the cache still holds what neighbours share; with each, how many tokens it shares with those before."""
    return [(indices[at], shared) for at, shared in in_prefix_order([requests[i] for i in indices])]


def self_checked(engine: CachingEngine, mode: ScoringMode, dtype: Dtype, tokenizer: Any) -> ScoringMode:
    """`mode` if small requests score by it as full prompts do; else the mode of full prompts, with a warning."""
    if not mode.share:
        return mode
    requests = small_requests(len(tokenizer) // 2, exemplars=100)

    def scored(by: ScoringMode) -> list[Response]:
        jobs = (ScoreJob(i, request, by) for i, request in enumerate(requests))
        return [answer.response for answer in sorted(feed(engine, jobs), key=lambda answer: answer.index)]

    try:
        reason = difference(scored(mode), scored(mode.full_prompt), dtype)
    except UnansweredError as error:
        reason = f"the engine does not answer the self-check: {next(iter(error.reasons.values()))}"
    if reason:
        log.warning("the prefix cache is not used for scoring, and every full prompt is computed: %s", reason)
        return replace(mode.full_prompt, reason=reason)
    return mode


def checkpoint_ends(checkpoint: Checkpoint, tokenizer: Any) -> set[int]:
    """Ids that end a text, by the checkpoint's generation config and tokenizer."""
    try:
        configured = transformers.GenerationConfig.from_pretrained(checkpoint.path)
    except OSError:
        configured = None
    return end_tokens(configured, tokenizer)
