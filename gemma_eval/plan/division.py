"""Divides requests among processes. The division is a pure function, so each process can work out all shares.

Each process gets one run of requests in prefix order, where neighbours share the longest prefixes. A prefix is computed twice only if
it goes on past the end of a run. The ends are chosen to minimize the sum of two costs in tokens: the prefix shared by the requests on
either side, and the imbalance of the shares. So a group of requests is never divided if its prefix is longer than all the rest of it.

A text may end long before its limit, and how long differs from task to task. So generation requests are divided separately for each
token limit and stop strings, and so are scoring requests: each process gets about as many of every sort.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import pairwise

import numpy as np

from gemma_eval.plan.tree import in_prefix_order
from gemma_eval.types import Encoded, EncodedScore


def divide(requests: Sequence[Encoded], count: int) -> list[list[int]]:
    """The indices of the requests for each of `count` processes."""
    if count == 1:
        return [list(range(len(requests)))]
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for i, request in enumerate(requests):
        groups[_limits(request)].append(i)
    shares: list[list[int]] = [[] for _ in range(count)]
    for indices in groups.values():
        runs = _runs([requests[i] for i in indices], count)
        for share, run in zip(shares, runs, strict=True):
            share += [indices[i] for i in run]
    return shares


def _limits(request: Encoded) -> Hashable:
    """What can end a generated text; None for scoring."""
    return None if isinstance(request, EncodedScore) else (request.request.max_tokens, request.request.stop)


def _runs(requests: Sequence[Encoded], count: int) -> list[list[int]]:
    """The requests in prefix order, divided into `count` runs."""
    ordered = in_prefix_order(requests)
    shared = np.array([shared for _, shared in ordered] + [0])  # tokens shared by the requests before and after each possible end
    before = np.cumsum([0] + [own_tokens(requests[i], shared) for i, shared in ordered])  # tokens before each possible end
    ends = [int(np.argmin(np.abs(before - before[-1] * k / count) + shared)) for k in range(1, count)]
    return [[i for i, _ in ordered[start:end]] for start, end in pairwise([0, *ends, len(ordered)])]


def own_tokens(request: Encoded, shared: int) -> int:
    """Tokens that a request takes, at most, beyond the `shared` tokens of its prompt that another request has too."""
    own = len(request.prompt) - shared
    if isinstance(request, EncodedScore):
        return own + sum(max(len(sequence) - len(request.prompt), 1) for sequence in request.sequences)
    return own + request.request.max_tokens * request.request.samples
