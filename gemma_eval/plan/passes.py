"""Tree -> forward passes and their layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gemma_eval.plan.tree import ROOT, Tree, _until
from gemma_eval.types import TokenIds


@dataclass(frozen=True)
class Pass:
    """One forward: `nodes` in depth-first order, under `prefix`, the path of nodes whose keys and values are kept.

    With `keep`, `nodes` is one node, and its keys and values stay for the passes below it.
    """

    prefix: tuple[int, ...]
    nodes: tuple[int, ...]
    keep: bool = False


def schedule(tree: Tree, budget: int) -> Iterator[Pass]:
    """Passes of at most `budget` tokens that compute every node once, each after the path above it.

    A subtree that fits the budget is computed whole, packed with its neighbours; the root of a larger one is computed
    first and kept while its subtrees run, so only one path of keys and values is ever alive.
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
    """Where a pass's tokens stand. `depth[i]`: position in its sequence; token j may look at i where i < until[j] and j < end[i]."""

    ids: TokenIds
    depth: TokenIds
    end: TokenIds
    until: TokenIds
    offset: dict[int, int]  # node -> index of its first token


def lay_out(tree: Tree, nodes: Sequence[int]) -> Layout:
    """The tokens of `nodes` (depth-first) side by side, with what a tree mask needs: in depth-first order, a token's
    descendants follow it without a gap, so two numbers a token describe the whole mask."""
    offset: dict[int, int] = {}
    at = 0
    for node in nodes:
        offset[node] = at
        at += len(tree.nodes[node])
    stop = dict.fromkeys(nodes, 0)
    for node in reversed(nodes):
        stop[node] = max(stop[node], offset[node] + len(tree.nodes[node]))
        parent = tree.nodes[node].parent
        if parent in stop:
            stop[parent] = max(stop[parent], stop[node])
    runs = [tree.nodes[node] for node in nodes]
    ids = np.concatenate([tree.tokens(node) for node in nodes])
    return Layout(
        ids=ids,
        depth=np.concatenate([np.arange(run.start, run.end, dtype=np.int32) for run in runs]),
        end=np.concatenate([np.full(len(run), stop[node], dtype=np.int32) for run, node in zip(runs, nodes, strict=True)]),
        until=_until(ids),
        offset=offset,
    )
