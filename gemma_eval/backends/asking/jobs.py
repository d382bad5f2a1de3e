"""From encoded requests to jobs in prefix order, for any engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import transformers

from gemma_eval.backends.asking.ask import Job
from gemma_eval.backends.asking.check import Checked, chosen
from gemma_eval.backends.asking.feed import AskedEngine, feed
from gemma_eval.backends.asking.generate import GenerateJob
from gemma_eval.backends.asking.score import ScoreJob, Way
from gemma_eval.backends.self_check import difference, small_requests
from gemma_eval.checkpoint import Checkpoint
from gemma_eval.plan import build_tree
from gemma_eval.settings import Dtype
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Response


def room_for(request: Encoded) -> int:
    """Tokens that the engine has to have room for."""
    if isinstance(request, EncodedScore):
        return max(len(sequence) for sequence in request.sequences)
    return len(request.prompt) + request.request.max_tokens


def score_jobs(requests: Sequence[Encoded], way: Way, dtype: Dtype, verify: int, seed: int) -> list[Job]:
    """Scoring requests as jobs; `verify` of them, chosen at random, are computed without the prefix cache too."""
    jobs: list[Job] = []
    scores = [i for i, request in enumerate(requests) if isinstance(request, EncodedScore)]
    verified = chosen(scores, verify, seed)
    for index, seen in _in_prefix_order(requests, scores):
        request = requests[index]
        assert isinstance(request, EncodedScore)
        job = ScoreJob(index, request, way, seen)
        jobs.append(Checked(job, ScoreJob(index, request, way.plain), dtype) if index in verified else job)
    return jobs


def generate_jobs(requests: Sequence[Encoded], tokenizer: Any, ends: set[int]) -> list[Job]:
    texts = {i: request for i, request in enumerate(requests) if isinstance(request, EncodedGenerate)}
    return [GenerateJob(index, texts[index], tokenizer, ends) for index, _ in _in_prefix_order(requests, list(texts))]


def _in_prefix_order(requests: Sequence[Encoded], indices: list[int]) -> list[tuple[int, int]]:
    """Neighbours share the longest prefixes, so that the cache still has them. With each, the tokens shared with those before."""
    tree = build_tree([requests[i].prompt for i in indices])
    return [(indices[at], tree.shared[at]) for at in tree.order]


def disagreement(engine: AskedEngine, way: Way, dtype: Dtype, vocabulary: int) -> str | None:
    """None if small requests score by `way` as they do plainly, else by how much they differ."""
    requests = small_requests(vocabulary, exemplars=100)

    def scored(by: Way) -> Iterator[Response]:
        jobs = (ScoreJob(i, request, by) for i, request in enumerate(requests))
        return (answer.response for answer in sorted(feed(engine, jobs), key=lambda answer: answer.index))

    return difference(list(scored(way)), list(scored(way.plain)), dtype.value)


def end_tokens(checkpoint: Checkpoint, tokenizer: Any) -> set[int]:
    """Ids that end a text: the tokenizer's, and those of the generation config (`<end_of_turn>` of IT models)."""
    try:
        configured = transformers.GenerationConfig.from_pretrained(checkpoint.path).eos_token_id
    except OSError:
        configured = None
    ends = {tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured])}
    return ends - {None}
