"""Requests are divided among processes: each goes to one of them, shares are about equal, and small groups stay whole."""

from __future__ import annotations

from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.plan.cost import cost
from gemma_eval.plan.division import divide
from gemma_eval.plan.tree import build_tree
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, Prompt, TokenIds

BOS = 2


def ids(*tokens: int) -> TokenIds:
    return np.asarray([BOS, *tokens], dtype=np.int32)


def scoring(prompt: list[int], choices: list[list[int]]) -> EncodedScore:
    return EncodedScore(tuple(ids(*prompt, *choice) for choice in choices), (1 + len(prompt),) * len(choices))


def generating(prompt: list[int], max_tokens: int, stop: tuple[str, ...] = ()) -> EncodedGenerate:
    return EncodedGenerate(ids(*prompt), Generate(Prompt(("",)), stop, max_tokens))


def tokens(size: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(3, 5), min_size=1, max_size=size)


SCORES = st.builds(scoring, tokens(12), st.lists(tokens(4), min_size=1, max_size=3))
TEXTS = st.builds(generating, tokens(12), st.integers(1, 20))


@given(st.lists(st.one_of(SCORES, TEXTS), max_size=30), st.integers(1, 5))
def test_every_request_is_in_exactly_one_share(requests: list[Encoded], count: int) -> None:
    shares = divide(requests, count)
    assert len(shares) == count
    assert sorted(chain.from_iterable(shares)) == list(range(len(requests)))
    assert shares == divide(requests, count)
    assert count > 1 or shares == [list(range(len(requests)))]


@given(st.lists(TEXTS, min_size=1, max_size=40), st.integers(2, 5))
def test_shares_are_balanced_and_little_is_computed_twice(requests: list[EncodedGenerate], count: int) -> None:
    requests = [generating([int(token) for token in request.prompt[1:]], 6) for request in requests]
    shares = divide(requests, count)
    whole, parts = cost(requests), [cost([requests[i] for i in share]) for share in shares]
    longest = max(len(request.prompt) for request in requests)
    fair = (whole.unique + whole.generated) / count
    # an end of a share is off by less than half a request and a shared prefix; its prefix is computed in this share too
    assert all(part.unique + part.generated <= fair + (longest + 6) + 3 * longest for part in parts)
    assert sum(part.unique for part in parts) <= whole.unique + (count - 1) * longest


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 9)), min_size=1, max_size=12), st.integers(2, 4))
def test_a_group_that_is_shorter_than_its_prefix_is_never_divided(groups: list[tuple[int, int]], count: int) -> None:
    """Each group has its own exemplars, which are longer than all its questions (two tokens, and two choices of one token)."""
    requests: list[Encoded] = []
    group_of = []
    for name, (questions, more) in enumerate(groups):
        exemplars = [100 + name] + [3] * (4 * questions + more)
        for question in range(questions):
            requests.append(scoring([*exemplars, 4, 10 + question], [[5], [6]]))
            group_of.append(name)
    shares = divide(requests, count)
    for name in range(len(groups)):
        assert sum(name in {group_of[i] for i in share} for share in shares) == 1


@given(st.integers(1, 40), st.integers(1, 40), st.integers(2, 4))
def test_texts_with_different_limits_are_divided_separately(short: int, long: int, count: int) -> None:
    """It is not known how soon texts end, so each process gets about as many of either limit."""
    requests: list[Encoded] = [generating([4, 10 + i], 8) for i in range(short)]
    requests += [generating([4, 10 + i], 1000, ("\n",)) for i in range(long)]
    for share in divide(requests, count):
        assert abs(sum(i < short for i in share) - short / count) <= 1
        assert abs(sum(i >= short for i in share) - long / count) <= 1


def test_a_large_group_is_divided_into_runs_of_neighbours() -> None:
    requests: list[Encoded] = [scoring([7] * 50 + [3 + i // 10, 3 + i % 10], [[5], [6]]) for i in range(100)]
    order = build_tree([request.prompt for request in requests]).order
    shares = divide(requests, 2)
    assert list(chain.from_iterable(shares)) == order and abs(len(shares[0]) - len(shares[1])) <= 20
