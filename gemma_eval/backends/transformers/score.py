"""Log-likelihoods of continuations: the tree of all requests, one pass after another, each node computed once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gemma_eval.backends.base import Answer
from gemma_eval.backends.transformers.forward import forward_pass
from gemma_eval.backends.transformers.head import token_logprobs
from gemma_eval.backends.transformers.tree_attention import KeyValues
from gemma_eval.plan import Layout, Pass, Tree, build_tree, schedule
from gemma_eval.types import EncodedScore, ScoreResponse, TokenIds, Usage


@dataclass
class _Tally:
    """What is known so far of one request's continuations."""

    request: EncodedScore
    left: int
    logprobs: list[float] = field(default_factory=list)
    greedy: list[bool] = field(default_factory=list)
    computed: int = 0

    @classmethod
    def of(cls, request: EncodedScore) -> _Tally:
        n = len(request.sequences)
        left = sum(len(sequence) - start for sequence, start in zip(request.sequences, request.starts, strict=True))
        return cls(request, left, [0.0] * n, [True] * n)

    def answer(self, index: int) -> Answer:
        lengths = tuple(len(s) - start for s, start in zip(self.request.sequences, self.request.starts, strict=True))
        prompt = sum(len(sequence) - 1 for sequence in self.request.sequences)
        response = ScoreResponse(tuple(self.logprobs), lengths, tuple(self.greedy))
        return Answer(index, response, Usage(prompt=prompt, computed=self.computed))


@dataclass(frozen=True)
class _Target:
    """A token to be predicted: continuation `choice` of request `request`."""

    request: int
    choice: int
    token: int


def score(model: Any, requests: Sequence[EncodedScore], budget: int) -> Iterator[Answer]:
    """Answers as they complete. `budget`: tokens in one pass."""
    owners = [(r, choice) for r, request in enumerate(requests) for choice in range(len(request.sequences))]
    tree = build_tree([requests[r].sequences[choice][:-1] for r, choice in owners], longest_node=budget)
    tallies = {r: _Tally.of(request) for r, request in enumerate(requests)}
    for (r, _), shared, sequence in zip(owners, tree.shared, tree.sequences, strict=True):
        tallies[r].computed += len(sequence) - shared
    targets = _targets_by_node(tree, requests, owners)
    path: list[tuple[int, dict[int, KeyValues]]] = []
    for step in schedule(tree, budget):
        path = [(node, kept) for node, kept in path if node in step.prefix]
        hidden, kept, layout = forward_pass(model, tree, step, [values for _, values in path], step.keep)
        if step.keep:
            path.append((step.nodes[0], kept))
        for r in _tally_up(model, tree, step, layout, hidden, targets, tallies):
            yield tallies.pop(r).answer(r)


def _targets_by_node(
    tree: Tree, requests: Sequence[EncodedScore], owners: Sequence[tuple[int, int]]
) -> dict[int, list[tuple[int, _Target]]]:
    """Per node: (depth of the row that predicts, what it predicts)."""
    targets: dict[int, list[tuple[int, _Target]]] = defaultdict(list)
    for i, (r, choice) in enumerate(owners):
        sequence: TokenIds = requests[r].sequences[choice]
        node = tree.leaf[i]
        for position in range(len(sequence) - 1, requests[r].starts[choice] - 1, -1):
            while tree.nodes[node].start > position - 1:
                node = tree.nodes[node].parent
            targets[node].append((position - 1, _Target(r, choice, int(sequence[position]))))
    return targets


def _tally_up(
    model: Any,
    tree: Tree,
    step: Pass,
    layout: Layout,
    hidden: torch.Tensor,
    targets: dict[int, list[tuple[int, _Target]]],
    tallies: dict[int, _Tally],
) -> list[int]:
    """Add this pass's log-probabilities to their requests; returns the requests now complete."""
    wanted = [
        (layout.offset[node] + depth - tree.nodes[node].start, target) for node in step.nodes for depth, target in targets.pop(node, ())
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
