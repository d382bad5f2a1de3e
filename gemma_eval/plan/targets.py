"""Which logits scoring needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gemma_eval.plan.tree import Tree, build_tree
from gemma_eval.types import EncodedScore


@dataclass(frozen=True)
class Target:
    """A token to be predicted: of continuation `choice` of request `request`."""

    request: int
    choice: int
    token: int


@dataclass(frozen=True)
class ScorePlan:
    """The tree of all continuations (their last tokens are only predicted), and per node what its rows predict.

    `targets[node]`: pairs of the depth of the row that predicts, and what it predicts. Equal rows are one row of one node,
    so the output head runs on it once.
    """

    tree: Tree
    owners: list[tuple[int, int]]  # per sequence of the tree: request, choice
    targets: dict[int, list[tuple[int, Target]]]

    def head_rows(self) -> int:
        return sum(len({depth for depth, _ in wanted}) for wanted in self.targets.values())


def plan_scores(requests: Sequence[EncodedScore], longest_node: int | None = None) -> ScorePlan:
    """One prefix tree for all continuations of all requests."""
    owners = [(r, choice) for r, request in enumerate(requests) for choice in range(len(request.sequences))]
    tree = build_tree([requests[r].sequences[choice][:-1] for r, choice in owners], longest_node)
    targets: dict[int, list[tuple[int, Target]]] = defaultdict(list)
    for i, (r, choice) in enumerate(owners):
        sequence = requests[r].sequences[choice]
        node = tree.leaf[i]
        for position in range(len(sequence) - 1, requests[r].starts[choice] - 1, -1):
            while tree.nodes[node].start > position - 1:
                node = tree.nodes[node].parent
            targets[node].append((position - 1, Target(r, choice, int(sequence[position]))))
    return ScorePlan(tree, owners, targets)
