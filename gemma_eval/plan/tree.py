"""Requests become a prefix tree, and the tree becomes an order of work in which every node is computed once.

Pure functions on token ids: no model, no tensors. A *node* is a run of tokens that some set of sequences share, below
the runs they share with more. A *pass* is one forward of the model over some nodes, under a path of nodes whose keys and
values are kept. The last token of a scored sequence is predicted, never read, so it is not in the tree.

Images have the same soft tokens, whatever they show. To plan, each distinct one gets an id of its own instead, from `FIRST_IMAGE`
on; a run of one such id is an image, which attends to itself both ways and is never cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TypeVar

import numpy as np

from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, ImageSpan, TokenIds

ROOT = -1
FIRST_IMAGE = 1 << 24  # above any vocabulary

E = TypeVar("E", EncodedScore, EncodedGenerate, Encoded)


def number_images(requests: Sequence[E]) -> tuple[list[E], list[ImageSpan]]:
    """The requests with an id from `FIRST_IMAGE` on for each distinct image, and what the ids stand for, in their order."""
    numbers: dict[object, int] = {}
    distinct: list[ImageSpan] = []

    found = []
    for request in requests:
        for span in request.images:
            if span.content not in numbers:
                numbers[span.content] = FIRST_IMAGE + len(distinct)
                distinct.append(span)
        found.append(request.with_ids(partial(_numbered, request.images, numbers)) if request.images else request)
    return found, distinct


def _numbered(images: Sequence[ImageSpan], numbers: Mapping[object, int], ids: TokenIds) -> TokenIds:
    ids = ids.copy()
    for span in images:
        ids[span.start : span.end] = numbers[span.content]
    return ids


@dataclass(frozen=True)
class Node:
    """Tokens `start` to `end` (depths) of sequence `sequence`, which every sequence below the node shares."""

    parent: int
    sequence: int
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Tree:
    """Radix tree over token sequences. Parents come before children; `leaf[i]` is the node where sequence i ends."""

    sequences: Sequence[TokenIds]
    nodes: list[Node]
    children: list[list[int]]
    roots: list[int]
    leaf: list[int]
    order: list[int]  # sequences in tree order: neighbours share the longest prefixes
    shared: list[int]  # per sequence, the tokens it shares with those before it in `order`

    def tokens(self, node: int) -> TokenIds:
        run = self.nodes[node]
        return self.sequences[run.sequence][run.start : run.end]

    def unique_tokens(self) -> int:
        return sum(len(node) for node in self.nodes)


def build_tree(sequences: Sequence[TokenIds], longest_node: int | None = None) -> Tree:
    """The radix tree of `sequences`. Nodes longer than `longest_node` are cut between images, so that each fits in one pass.

    Time is linear in the tokens but for sorting; memory is linear in the sequences (nodes point into them).
    """
    order = sorted(range(len(sequences)), key=lambda i: sequences[i].astype(">i4").tobytes())
    starts: list[int] = []
    ends: list[int] = []
    parents: list[int] = []
    owners: list[int] = []
    leaf = [ROOT] * len(sequences)
    shared = [0] * len(sequences)
    path: list[int] = []  # the nodes of the latest sequence, root first

    def add(parent: int, owner: int, start: int, end: int) -> int:
        parents.append(parent)
        owners.append(owner)
        starts.append(start)
        ends.append(end)
        return len(starts) - 1

    previous: int | None = None
    for i in order:
        length = len(sequences[i])
        common = 0 if previous is None else common_prefix(sequences[previous], sequences[i])
        shared[i] = common
        while path and starts[path[-1]] >= common:
            path.pop()
        if path and ends[path[-1]] > common:
            path[-1] = _split(path[-1], common, parents, owners, starts, ends)
        if length > common:
            path.append(add(path[-1] if path else ROOT, i, common, length))
        leaf[i] = path[-1] if path else ROOT
        previous = i
    return _finish(sequences, order, shared, leaf, parents, owners, starts, ends, longest_node)


def common_prefix(a: TokenIds, b: TokenIds) -> int:
    """How many tokens two sequences begin with alike."""
    n = min(len(a), len(b))
    different = a[:n] != b[:n]
    at = int(different.argmax()) if n else 0
    return at if n and different[at] else n


def _split(node: int, depth: int, parents: list[int], owners: list[int], starts: list[int], ends: list[int]) -> int:
    """Cut `node` at `depth`; the lower half keeps the number (and so its children and leaves), the upper half is new."""
    parents.append(parents[node])
    owners.append(owners[node])
    starts.append(starts[node])
    ends.append(depth)
    upper = len(parents) - 1
    parents[node] = upper
    starts[node] = depth
    return upper


def _finish(
    sequences: Sequence[TokenIds],
    order: list[int],
    shared: list[int],
    leaf: list[int],
    parents: list[int],
    owners: list[int],
    starts: list[int],
    ends: list[int],
    longest: int | None,
) -> Tree:
    """Number the nodes in depth-first order, cut long ones, and list children."""
    below: list[list[int]] = [[] for _ in parents]
    tops: list[int] = []
    for node, parent in enumerate(parents):
        (tops if parent == ROOT else below[parent]).append(node)
    for siblings in (tops, *below):
        siblings.sort(key=lambda node: int(sequences[owners[node]][starts[node]]))
    nodes: list[Node] = []
    children: list[list[int]] = []
    roots: list[int] = []
    renamed = [ROOT] * len(parents)
    stack = [(node, ROOT) for node in reversed(tops)]
    while stack:
        old, parent = stack.pop()
        run = sequences[owners[old]][starts[old] : ends[old]]
        for start, end in pairwise([0, *_cuts(run, longest)]):
            nodes.append(Node(parent, owners[old], starts[old] + start, starts[old] + end))
            children.append([])
            (roots if parent == ROOT else children[parent]).append(len(nodes) - 1)
            parent = len(nodes) - 1
        renamed[old] = parent
        stack += [(child, parent) for child in reversed(below[old])]
    return Tree(sequences, nodes, children, roots, [renamed[n] if n != ROOT else ROOT for n in leaf], order, shared)


def _cuts(run: TokenIds, longest: int | None) -> list[int]:
    """Where the parts of a run end, each of at most `longest` tokens unless an image is longer."""
    if longest is None or len(run) <= longest:
        return [len(run)]
    free = np.unique(_until(run))  # a part may end here
    ends = [0]
    while ends[-1] < len(run):
        last = int(np.searchsorted(free, ends[-1] + longest, side="right")) - 1
        first = int(np.searchsorted(free, ends[-1], side="right"))
        ends.append(int(free[max(first, last)]))
    return ends[1:]


def _until(ids: TokenIds) -> TokenIds:
    """One past the last token that each of `ids` may look at: itself, or the end of its image."""
    ends = np.append((ids[1:] != ids[:-1]) | (ids[1:] < FIRST_IMAGE), True)
    at = np.flatnonzero(ends)
    return (at[np.searchsorted(at, np.arange(len(ids)))] + 1).astype(np.int32)


def in_prefix_order(requests: Sequence[Encoded]) -> list[tuple[int, int]]:
    """The requests by index, so ordered that neighbours share the longest prefixes; with each, the tokens shared with those before."""
    numbered, _ = number_images(requests)
    tree = build_tree([request.prompt for request in numbered])
    return [(at, tree.shared[at]) for at in tree.order]
