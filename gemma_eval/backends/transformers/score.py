"""Log-likelihoods of continuations: the tree of all requests, one pass after another, each node computed once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gemma_eval.backends.base import Answer
from gemma_eval.backends.transformers.head import token_logprobs
from gemma_eval.backends.transformers.tree_attention import KeyValues, TreeContext
from gemma_eval.plan import Layout, Pass, Tree, build_tree, lay_out, schedule
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


def score(model: Any, requests: Sequence[EncodedScore], budget: int, share: bool = True) -> Iterator[Answer]:
    """Answers as they complete. `budget`: tokens in one pass. Without `share`, each continuation is a tree of its own."""
    if share:
        yield from _score_tree(model, requests, range(len(requests)), budget)
        return
    for index, request in enumerate(requests):
        singles = [EncodedScore((s,), (start,)) for s, start in zip(request.sequences, request.starts, strict=True)]
        parts = [next(_score_tree(model, [single], [0], budget)) for single in singles]
        responses = [part.response for part in parts]
        assert all(isinstance(response, ScoreResponse) for response in responses)
        whole = ScoreResponse(
            tuple(r.logprobs[0] for r in responses),  # type: ignore[union-attr]
            tuple(r.lengths[0] for r in responses),  # type: ignore[union-attr]
            tuple(r.greedy[0] for r in responses),  # type: ignore[union-attr]
        )
        yield Answer(index, whole, sum((part.usage for part in parts), Usage()))


def _score_tree(model: Any, requests: Sequence[EncodedScore], indices: Sequence[int], budget: int) -> Iterator[Answer]:
    owners = [(r, choice) for r in indices for choice in range(len(requests[r].sequences))]
    tree = build_tree([requests[r].sequences[choice][:-1] for r, choice in owners], longest_node=budget)
    tallies = {r: _Tally.of(requests[r]) for r in indices}
    for (r, _), shared, sequence in zip(owners, tree.shared, tree.sequences, strict=True):
        tallies[r].computed += len(sequence) - shared
    targets = _targets_by_node(tree, requests, owners)
    path: list[tuple[int, dict[int, KeyValues]]] = []
    for step in schedule(tree, budget):
        path = [(node, kept) for node, kept in path if node in step.prefix]
        hidden, kept, layout = _forward(model, tree, step, [values for _, values in path])
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


@torch.inference_mode()
def _forward(model: Any, tree: Tree, step: Pass, path: list[dict[int, KeyValues]]) -> tuple[torch.Tensor, dict[int, KeyValues], Layout]:
    """Last hidden states of the pass's tokens, [tokens, hidden size], and its keys and values if they are kept."""
    layout = lay_out(tree, step.nodes)
    body = model.get_decoder()
    device = model.get_input_embeddings().weight.device
    depth = torch.from_numpy(layout.depth).long().to(device)
    context = TreeContext(depth, torch.from_numpy(layout.end).long().to(device), path, keep=step.keep)
    output = body(
        input_ids=torch.from_numpy(layout.ids).long()[None].to(device),
        position_ids=depth[None],
        attention_mask=_no_mask(body),
        use_cache=False,
        tree=context,
    )
    return output.last_hidden_state[0], context.kept, layout


def _no_mask(body: Any) -> Any:
    """Keeps transformers from building masks that tree attention replaces: models with layer types take a mask for each."""
    types = getattr(body.config, "layer_types", None)
    return dict.fromkeys(types) if types else torch.ones(1, 1, 1, 1, dtype=torch.bool)


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
