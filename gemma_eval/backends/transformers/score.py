"""Log-likelihoods of continuations: all requests form one prefix tree, and each of its nodes is computed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gemma_eval.backends.base import Answer
from gemma_eval.backends.transformers.compiling import Compiler
from gemma_eval.backends.transformers.forward import forward_pass
from gemma_eval.backends.transformers.head import token_logprobs
from gemma_eval.backends.transformers.image_embeddings import ImageEmbeddings
from gemma_eval.backends.transformers.tree_attention import KeyValues
from gemma_eval.plan.passes import Layout, Pass, schedule
from gemma_eval.plan.targets import ScorePlan, plan_scores
from gemma_eval.types import EncodedScore, ScoreResponse, Usage


@dataclass
class _Tally:
    """What is known so far of one request's continuations. `left`: tokens that are still to be scored; `logprobs`: nats."""

    request: EncodedScore
    left: int
    logprobs: list[float] = field(default_factory=list)
    greedy: list[bool] = field(default_factory=list)
    computed: int = 0

    @classmethod
    def of(cls, request: EncodedScore) -> _Tally:
        """The tally of a request of which nothing is known."""
        n = len(request.sequences)
        left = sum(len(sequence) - start for sequence, start in zip(request.sequences, request.starts, strict=True))
        return cls(request, left, [0.0] * n, [True] * n)

    def answer(self, index: int) -> Answer:
        """The answer, once no token is left."""
        lengths = tuple(len(s) - start for s, start in zip(self.request.sequences, self.request.starts, strict=True))
        prompt = sum(len(sequence) - 1 for sequence in self.request.sequences)
        response = ScoreResponse(tuple(self.logprobs), lengths, tuple(self.greedy))
        return Answer(index, response, Usage(prompt=prompt, computed=self.computed))


def score(
    model: Any,
    requests: Sequence[EncodedScore],
    budget: int,
    compiler: Compiler | None = None,
    images: ImageEmbeddings | None = None,
) -> Iterator[Answer]:
    """Answers as they complete. `budget`: tokens in one pass. `compiler` hears after each pass how far the plan has come.

    Images in `requests` are numbered (`plan.tree.number_images`), and `images` has them by number.
    """
    planned = plan_scores(requests, longest_node=budget)
    tree = planned.tree
    tallies = {r: _Tally.of(request) for r, request in enumerate(requests)}
    for (r, _), shared, sequence in zip(planned.owners, tree.shared, tree.sequences, strict=True):
        tallies[r].computed += len(sequence) - shared
    path: list[tuple[int, dict[int, KeyValues]]] = []
    done, unique = 0, tree.unique_tokens()
    if compiler:
        compiler.start()
    for step in schedule(tree, budget):
        path = [(node, kept) for node, kept in path if node in step.prefix]
        hidden, kept, layout = forward_pass(model, tree, step, [values for _, values in path], step.keep, images)
        if step.keep:
            path.append((step.nodes[0], kept))
        for r in _tally_up(model, planned, step, layout, hidden, tallies):
            yield tallies.pop(r).answer(r)
        done += len(layout.ids)
        if compiler:
            compiler.consider(done, unique)


def _tally_up(
    model: Any,
    planned: ScorePlan,
    step: Pass,
    layout: Layout,
    hidden: torch.Tensor,
    tallies: dict[int, _Tally],
) -> list[int]:
    """Add the log-probabilities of one pass to their requests. `hidden`: [tokens, hidden size]. Returns the complete requests."""
    wanted = [
        (layout.offset[node] + depth - planned.tree.nodes[node].start, target)
        for node in step.nodes
        for depth, target in planned.targets.get(node, ())
    ]
    if not wanted:
        return []
    rows, places = np.unique([row for row, _ in wanted], return_inverse=True)
    tokens = torch.tensor([target.token for _, target in wanted])
    logprobs, greedy = token_logprobs(model, hidden[torch.from_numpy(rows).to(hidden.device)], torch.from_numpy(places.reshape(-1)), tokens)
    complete = []
    for (_, target), logprob, likeliest in zip(wanted, logprobs.tolist(), greedy.tolist(), strict=True):
        tally = tallies[target.request]
        tally.logprobs[target.choice] += logprob
        tally.greedy[target.choice] &= likeliest
        tally.left -= 1
        if tally.left == 0:
            complete.append(target.request)
    return complete
