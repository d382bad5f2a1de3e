"""The planner computes every token once, every node after the path above it, and no pass over its budget."""

from __future__ import annotations

from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.plan.passes import lay_out, schedule
from gemma_eval.plan.tree import FIRST_IMAGE, ROOT, Tree, build_tree

SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=25)


def tree_of(sequences: list[list[int]], longest: int | None = None) -> Tree:
    return build_tree([np.asarray(sequence, dtype=np.int32) for sequence in sequences], longest)


def path_tokens(tree: Tree, node: int) -> list[int]:
    """The tokens on the path from the root to the end of `node`."""
    tokens: list[int] = []
    while node != ROOT:
        tokens = [*map(int, tree.tokens(node)), *tokens]
        node = tree.nodes[node].parent
    return tokens


@given(SEQUENCES, st.sampled_from([None, 1, 2, 5]))
def test_the_tree_holds_every_sequence_and_shares_every_prefix(sequences: list[list[int]], longest: int | None) -> None:
    tree = tree_of(sequences, longest)
    prefixes = {tuple(sequence[:k]) for sequence in sequences for k in range(1, len(sequence) + 1)}
    assert [path_tokens(tree, leaf) for leaf in tree.leaf] == sequences
    assert tree.unique_tokens() == len(prefixes)
    assert sum(len(sequence) - shared for sequence, shared in zip(sequences, tree.shared, strict=True)) == len(prefixes)
    assert all(1 <= len(node) <= (longest or 12) for node in tree.nodes)


@given(SEQUENCES, st.integers(2, 30))
def test_schedule_computes_each_node_once_within_the_budget(sequences: list[list[int]], budget: int) -> None:
    tree = tree_of(sequences, budget)
    done: list[int] = []
    kept: set[int] = set()
    for step in schedule(tree, budget):
        assert sum(len(tree.nodes[node]) for node in step.nodes) <= budget
        assert set(step.prefix) <= kept
        for node in step.nodes:
            parent = tree.nodes[node].parent
            assert parent == ROOT or parent in step.prefix or parent in step.nodes
            if parent in step.prefix:  # the whole path above it, in order
                assert path_tokens(tree, parent) == [int(t) for above in step.prefix for t in tree.tokens(above)]
        done += step.nodes
        kept |= set(step.nodes) if step.keep else set()
    assert sorted(done) == list(range(len(tree.nodes)))


@given(SEQUENCES)
def test_layout_masks_exactly_the_ancestors(sequences: list[list[int]]) -> None:
    tree = tree_of(sequences)
    nodes = [node for step in schedule(tree, 10_000) for node in step.nodes]
    layout = lay_out(tree, nodes)
    for node in nodes:
        for position in range(len(tree.nodes[node])):
            at = layout.offset[node] + position
            seen = [int(layout.ids[i]) for i in range(len(layout.ids)) if i < layout.until[at] and at < layout.end[i]]
            assert seen == path_tokens(tree, node)[: tree.nodes[node].start + position + 1]
            assert layout.depth[at] == len(seen) - 1


SOFT = 3  # tokens of an image in these tests


@st.composite
def with_images(draw: st.DrawFn) -> list[list[int]]:
    """Sequences of words and images, with a word after each image. The smaller budgets in these tests are less than an image."""
    part = st.one_of(st.integers(0, 2).map(lambda word: [word]), st.integers(0, 2).map(lambda n: [FIRST_IMAGE + n] * SOFT + [9]))
    return [list(chain.from_iterable(parts)) for parts in draw(st.lists(st.lists(part, min_size=1, max_size=8), min_size=1, max_size=12))]


@given(with_images(), st.sampled_from([None, 1, 2, 5, 8]))
def test_images_are_never_divided_and_attend_both_ways(sequences: list[list[int]], budget: int | None) -> None:
    tree = tree_of(sequences, budget)
    assert [path_tokens(tree, leaf) for leaf in tree.leaf] == sequences
    for step in schedule(tree, budget or 10_000):
        assert len(step.nodes) == 1 or sum(len(tree.nodes[node]) for node in step.nodes) <= (budget or 10_000)
        layout = lay_out(tree, step.nodes)
        for node in step.nodes:
            run = tree.tokens(node)
            soft = int((run >= FIRST_IMAGE).sum())
            assert soft % SOFT == 0  # whole images
            assert budget is None or len(run) <= budget or (soft == SOFT and len(run) == SOFT)
            for position in range(len(run)):
                at = layout.offset[node] + position
                seen = [int(layout.ids[i]) for i in range(len(layout.ids)) if i < layout.until[at] and at < layout.end[i]]
                depth = layout.depth[at] + 1
                while run[position] >= FIRST_IMAGE and position + 1 < len(run) and run[position + 1] == run[position]:
                    position, depth = position + 1, depth + 1
                above = tree.nodes[step.nodes[0]].start  # tokens in the path above
                assert seen == path_tokens(tree, node)[above:depth]
