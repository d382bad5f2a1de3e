"""Requests become a prefix tree, in which every shared run of tokens occurs once.

These are pure functions on token ids: no model, no tensors. A *node* is a run of tokens, shared by all sequences below it. The tokens
before it are those of its ancestors. The last token of a scored sequence is not in the tree, because it is predicted and never read.

Different images have the same soft tokens. So for planning, each distinct image gets its own id in place of its soft tokens, from
`FIRST_IMAGE` on. A run of one such id is an image. Its tokens attend to each other in both directions, so it is never divided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TypeVar

import numpy as np

from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, ImageSpan, TokenIds

ROOT = -1  # the parent of the top nodes
FIRST_IMAGE = 1 << 24  # above any vocabulary

E = TypeVar("E", EncodedScore, EncodedGenerate, Encoded)


def number_images(requests: Sequence[E]) -> tuple[list[E], list[ImageSpan]]:
    """The requests with one id in place of the soft tokens of each distinct image, and the images in the order of their ids.

    The first image has the id `FIRST_IMAGE`.
    """
    numbers: dict[object, int] = {}
    distinct: list[ImageSpan] = []
    numbered = []
    for request in requests:
        for span in request.images:
            if span.content not in numbers:
                numbers[span.content] = FIRST_IMAGE + len(distinct)
                distinct.append(span)
        numbered.append(request.with_ids(partial(_with_numbers, request.images, numbers)) if request.images else request)
    return numbered, distinct


def _with_numbers(images: Sequence[ImageSpan], numbers: Mapping[object, int], ids: TokenIds) -> TokenIds:
    ids = ids.copy()
    for span in images:
        ids[span.start : span.end] = numbers[span.content]
    return ids


@dataclass(frozen=True)
class Node:
    """Tokens `start` to `end` of the sequence `sequence`. Every sequence below the node has the same ones at the same positions."""

    parent: int
    sequence: int
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Tree:
    """A radix tree over token sequences. Nodes are numbered in depth-first order, so parents come before their children.

    `leaf[i]` is the node where sequence i ends. `order` lists the sequences in tree order, in which neighbours share the longest
    prefixes. `shared[i]` counts the tokens that sequence i shares with those before it in `order`.
    """

    sequences: Sequence[TokenIds]
    nodes: list[Node]
    children: list[list[int]]
    roots: list[int]
    leaf: list[int]
    order: list[int]
    shared: list[int]

    def tokens(self, node: int) -> TokenIds:
        """The token ids of a node, shape [tokens], int32."""
        run = self.nodes[node]
        return self.sequences[run.sequence][run.start : run.end]

    def unique_tokens(self) -> int:
        """Tokens of all nodes: what is forwarded if every node is computed once."""
        return sum(len(node) for node in self.nodes)


def build_tree(sequences: Sequence[TokenIds], longest_node: int | None = None) -> Tree:
    """The radix tree of `sequences`. Nodes of more than `longest_node` tokens are divided between images, to fit in one pass.

    Apart from sorting, time is linear in the tokens. Memory is linear in the sequences, since nodes point into them.
    """
    order = sorted(range(len(sequences)), key=lambda i: sequences[i].astype(">i4").tobytes())
    nodes = _NodeList()
    leaf = [ROOT] * len(sequences)
    shared = [0] * len(sequences)
    path: list[int] = []  # the nodes of the previous sequence, top first
    previous: int | None = None
    for i in order:
        length = len(sequences[i])
        common = 0 if previous is None else common_prefix(sequences[previous], sequences[i])
        shared[i] = common
        while path and nodes.starts[path[-1]] >= common:
            path.pop()
        if path and nodes.ends[path[-1]] > common:
            path[-1] = nodes.split(path[-1], common)
        if length > common:
            path.append(nodes.add(path[-1] if path else ROOT, i, common, length))
        leaf[i] = path[-1] if path else ROOT
        previous = i
    return nodes.tree(sequences, order, shared, leaf, longest_node)


def common_prefix(a: TokenIds, b: TokenIds) -> int:
    """Number of tokens at the start that two sequences have in common."""
    n = min(len(a), len(b))
    different = a[:n] != b[:n]
    first = int(different.argmax()) if n else 0
    return first if n and different[first] else n


class _NodeList:
    """The nodes of a tree while it is built. Lists of numbers rather than objects, because a node changes when it is split."""

    def __init__(self) -> None:
        self.parents: list[int] = []
        self.sequences: list[int] = []
        self.starts: list[int] = []
        self.ends: list[int] = []

    def add(self, parent: int, sequence: int, start: int, end: int) -> int:
        self.parents.append(parent)
        self.sequences.append(sequence)
        self.starts.append(start)
        self.ends.append(end)
        return len(self.parents) - 1

    def split(self, node: int, depth: int) -> int:
        """Split `node` at `depth` and return the upper half, a new node. The lower half keeps its number, children and leaves."""
        upper = self.add(self.parents[node], self.sequences[node], self.starts[node], depth)
        self.parents[node] = upper
        self.starts[node] = depth
        return upper

    def tree(self, sequences: Sequence[TokenIds], order: list[int], shared: list[int], leaf: list[int], longest_node: int | None) -> Tree:
        """The finished tree: long nodes divided, all nodes renumbered in depth-first order."""
        below, tops = self._children(sequences)
        nodes: list[Node] = []
        children: list[list[int]] = []
        roots: list[int] = []
        renumbered = [ROOT] * len(self.parents)
        stack = [(node, ROOT) for node in reversed(tops)]
        while stack:
            old, parent = stack.pop()
            start, sequence = self.starts[old], self.sequences[old]
            for first, end in pairwise([0, *_part_ends(sequences[sequence][start : self.ends[old]], longest_node)]):
                nodes.append(Node(parent, sequence, start + first, start + end))
                children.append([])
                (roots if parent == ROOT else children[parent]).append(len(nodes) - 1)
                parent = len(nodes) - 1
            renumbered[old] = parent
            stack += [(child, parent) for child in reversed(below[old])]
        return Tree(sequences, nodes, children, roots, [renumbered[n] if n != ROOT else ROOT for n in leaf], order, shared)

    def _children(self, sequences: Sequence[TokenIds]) -> tuple[list[list[int]], list[int]]:
        """The children of each node, and the top nodes. Siblings are in the order of their first tokens."""
        below: list[list[int]] = [[] for _ in self.parents]
        tops: list[int] = []
        for node, parent in enumerate(self.parents):
            (tops if parent == ROOT else below[parent]).append(node)
        for siblings in (tops, *below):
            siblings.sort(key=lambda node: int(sequences[self.sequences[node]][self.starts[node]]))
        return below, tops


def _part_ends(run: TokenIds, longest: int | None) -> list[int]:
    """Where to end the parts of a run, so that each has at most `longest` tokens. A part is longer only if an image is."""
    if longest is None or len(run) <= longest:
        return [len(run)]
    allowed = np.unique(visible_end(run))
    ends = [0]
    while ends[-1] < len(run):
        last = int(np.searchsorted(allowed, ends[-1] + longest, side="right")) - 1
        first = int(np.searchsorted(allowed, ends[-1], side="right"))
        ends.append(int(allowed[max(first, last)]))
    return ends[1:]


def visible_end(ids: TokenIds) -> TokenIds:
    """For each token, the end (exclusive) of the tokens that it may attend to: itself, or the end of its image. Shape [tokens], int32."""
    last = np.append((ids[1:] != ids[:-1]) | (ids[1:] < FIRST_IMAGE), True)
    positions = np.flatnonzero(last)
    return (positions[np.searchsorted(positions, np.arange(len(ids)))] + 1).astype(np.int32)


def in_prefix_order(requests: Sequence[Encoded]) -> list[tuple[int, int]]:
    """The indices of the requests in prefix order, each with the number of prompt tokens that it shares with those before it."""
    numbered, _ = number_images(requests)
    tree = build_tree([request.prompt for request in numbered])
    return [(i, tree.shared[i]) for i in tree.order]
