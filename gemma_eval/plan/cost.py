"""What requests cost in tokens, before anything is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gemma_eval.plan.targets import plan_scores
from gemma_eval.plan.tree import build_tree, number_images
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore


@dataclass(frozen=True)
class Cost:
    """What requests cost. All but `requests` and `head_rows` are tokens.

    `unshared`: tokens forwarded without prefix sharing. `unique`: tokens forwarded with it. `head_rows`: positions at which scoring
    needs the logits. `generated`: at most, if no text ends before its limit.
    """

    requests: int
    unshared: int
    unique: int
    head_rows: int
    generated: int


def cost(requests: Sequence[Encoded]) -> Cost:
    """The cost of these requests, if they are planned together."""
    scores, _ = number_images([request for request in requests if isinstance(request, EncodedScore)])
    texts, _ = number_images([request for request in requests if isinstance(request, EncodedGenerate)])
    planned = plan_scores(scores)
    prompts = build_tree([request.prompt for request in texts])
    scored = sum(len(sequence) - 1 for request in scores for sequence in request.sequences)
    samples = [request.request.samples for request in texts]
    return Cost(
        requests=len(requests),
        unshared=scored + sum(len(request.prompt) * n for request, n in zip(texts, samples, strict=True)),
        unique=planned.tree.unique_tokens() + prompts.unique_tokens(),
        head_rows=planned.head_rows(),
        generated=sum(request.request.max_tokens * n for request, n in zip(texts, samples, strict=True)),
    )
