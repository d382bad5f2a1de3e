"""The prefix tree becomes forward passes, and each pass a layout of its tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gemma_eval.plan.tree import ROOT, Tree, visible_end
from gemma_eval.types import TokenIds


@dataclass(frozen=True)
class Pass:
    """One forward of the model over `nodes`, in depth-first order. `prefix` is the path of nodes above them, top first.

    Keys and values of the prefix are in memory. With `keep`, `nodes` is a single node, and its keys and values stay in memory for the
    passes below it.
    """

    prefix: tuple[int, ...]
    nodes: tuple[int, ...]
    keep: bool = False


def schedule(tree: Tree, budget: int) -> Iterator[Pass]:
    """Passes of at most `budget` tokens that compute every node once, after the path above it. A longer node has its own pass.

    A subtree that fits the budget is computed whole, together with its neighbours. The top node of a larger one is computed first and
    kept while its subtrees run. So there is never more than one path of keys and values in memory.
    """
    size = _subtree_sizes(tree)
    stack: list[tuple[tuple[int, ...], list[int]]] = [((), tree.roots)]
    while stack:
        prefix, siblings = stack.pop()
        pack: list[int] = []
        used = 0
        large: list[int] = []
        for node in siblings:
            if size[node] > budget:
                large.append(node)
                continue
            if used + size[node] > budget:
                yield Pass(prefix, tuple(pack))
                pack, used = [], 0
            pack += _subtree(tree, node)
            used += size[node]
        if pack:
            yield Pass(prefix, tuple(pack))
        if not large:
            continue
        node, rest = large[0], large[1:]
        if rest:
            stack.append((prefix, rest))
        yield Pass(prefix, (node,), keep=True)
        stack.append(((*prefix, node), tree.children[node]))


def _subtree_sizes(tree: Tree) -> list[int]:
    """Tokens of the subtree below and including each node."""
    size = [len(node) for node in tree.nodes]
    for node in range(len(size) - 1, -1, -1):  # children come after parents
        if (parent := tree.nodes[node].parent) != ROOT:
            size[parent] += size[node]
    return size


def _subtree(tree: Tree, top: int) -> list[int]:
    found, stack = [], [top]
    while stack:
        node = stack.pop()
        found.append(node)
        stack += reversed(tree.children[node])
    return found


@dataclass(frozen=True)
class Layout:
    """The tokens of a pass, side by side. All arrays have the shape [tokens], int32.

    `depth[i]` is the position of token i in its sequence. Token j may attend to token i if i < until[j] and j < end[i]: i comes before
    j or is in the same image, and j is in the subtree of i. `offset` gives the index of each node's first token.
    """

    ids: TokenIds
    depth: TokenIds
    end: TokenIds
    until: TokenIds
    offset: dict[int, int]


def lay_out(tree: Tree, nodes: Sequence[int]) -> Layout:
    """The layout of `nodes`, which are in depth-first order.

    In that order, the descendants of a token follow it without a gap. So two numbers for each token describe the whole tree mask.
    """
    offset: dict[int, int] = {}
    position = 0
    for node in nodes:
        offset[node] = position
        position += len(tree.nodes[node])
    subtree_end = dict.fromkeys(nodes, 0)
    for node in reversed(nodes):
        subtree_end[node] = max(subtree_end[node], offset[node] + len(tree.nodes[node]))
        parent = tree.nodes[node].parent
        if parent in subtree_end:
            subtree_end[parent] = max(subtree_end[parent], subtree_end[node])
    runs = [tree.nodes[node] for node in nodes]
    ids = np.concatenate([tree.tokens(node) for node in nodes])
    return Layout(
        ids=ids,
        depth=np.concatenate([np.arange(run.start, run.end, dtype=np.int32) for run in runs]),
        end=np.concatenate([np.full(len(run), subtree_end[node], dtype=np.int32) for run, node in zip(runs, nodes, strict=True)]),
        until=visible_end(ids),
        offset=offset,
    )
