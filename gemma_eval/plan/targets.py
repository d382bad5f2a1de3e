"""The logits that scoring needs: which token is predicted at which node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gemma_eval.plan.tree import Tree, build_tree
from gemma_eval.types import EncodedScore


@dataclass(frozen=True)
class PredictedToken:
    """A token whose log-probability is wanted: one of continuation `choice` of request `request`."""

    request: int
    choice: int
    token: int


@dataclass(frozen=True)
class ScorePlan:
    """The prefix tree of all continuations, and what its nodes predict.

    `owners[i]` are request and choice of the tree's sequence i, which lacks its last token: that is only predicted. `targets[node]` are
    pairs of the position (depth) whose logits are needed, and the token that they predict. Sequences with the same prefix share the
    node, so the output head runs once for all of them.
    """

    tree: Tree
    owners: list[tuple[int, int]]
    targets: dict[int, list[tuple[int, PredictedToken]]]

    def head_rows(self) -> int:
        """Number of positions whose logits are needed."""
        return sum(len({depth for depth, _ in wanted}) for wanted in self.targets.values())


def plan_scores(requests: Sequence[EncodedScore], longest_node: int | None = None) -> ScorePlan:
    """One prefix tree for all continuations of all requests. Nodes have at most `longest_node` tokens (see `build_tree`)."""
    owners = [(r, choice) for r, request in enumerate(requests) for choice in range(len(request.sequences))]
    tree = build_tree([requests[r].sequences[choice][:-1] for r, choice in owners], longest_node)
    targets: dict[int, list[tuple[int, PredictedToken]]] = defaultdict(list)
    for i, (r, choice) in enumerate(owners):
        sequence = requests[r].sequences[choice]
        node = tree.leaf[i]
        for position in range(len(sequence) - 1, requests[r].starts[choice] - 1, -1):
            while tree.nodes[node].start > position - 1:
                node = tree.nodes[node].parent
            targets[node].append((position - 1, PredictedToken(r, choice, int(sequence[position]))))
    return ScorePlan(tree, owners, targets)
