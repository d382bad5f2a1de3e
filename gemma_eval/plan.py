"""Requests become a prefix tree, and the tree becomes an order of work in which every node is computed once.

Pure functions on token ids: no model, no tensors. A *node* is a run of tokens that some set of sequences share, below
the runs they share with more. A *pass* is one forward of the model over some nodes, under a path of nodes whose keys and
values are kept. The last token of a scored sequence is predicted, never read, so it is not in the tree.

Images have the same soft tokens, whatever they show. To plan, each distinct one gets an id of its own instead, from `FIRST_IMAGE`
on; a run of one such id is an image, which attends to itself both ways and is never cut.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
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


@dataclass(frozen=True)
class Cost:
    """What requests cost, in tokens. `peers`: forwarded without sharing; `unique`: forwarded here; `head_rows`: rows of the
    output head for scoring; `generated`: at most, if no text ends before its limit."""

    requests: int
    peers: int
    unique: int
    head_rows: int
    generated: int


def cost(requests: Sequence[Encoded]) -> Cost:
    """Token counts of the plan for these requests, before anything is run."""
    scores, _ = number_images([request for request in requests if isinstance(request, EncodedScore)])
    texts, _ = number_images([request for request in requests if isinstance(request, EncodedGenerate)])
    planned = plan_scores(scores)
    prompts = build_tree([request.prompt for request in texts])
    asked = sum(len(sequence) - 1 for request in scores for sequence in request.sequences)
    samples = [request.request.samples for request in texts]
    return Cost(
        requests=len(requests),
        peers=asked + sum(len(request.prompt) * n for request, n in zip(texts, samples, strict=True)),
        unique=planned.tree.unique_tokens() + prompts.unique_tokens(),
        head_rows=planned.head_rows(),
        generated=sum(request.request.max_tokens * n for request, n in zip(texts, samples, strict=True)),
    )
