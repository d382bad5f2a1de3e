"""Divides requests among processes: a pure function, so that what each is asked can be told before anything is run.

In tree order, neighbours share the longest prefixes. Each process gets one run of neighbours, so that only what stands above a cut is
computed twice. A cut costs as many tokens as its two sides share, and as many as the shares are then out of balance; it is made
where that sum is smallest. So a group of requests whose prefix is longer than all the rest of it is never cut.

Texts end before their limit, and how long before differs from task to task; so requests with limits or stop strings of their own are
divided apart from the others, and so is scoring.
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
    kinds: dict[Hashable, list[int]] = defaultdict(list)
    for i, request in enumerate(requests):
        kinds[_kind(request)].append(i)
    shares: list[list[int]] = [[] for _ in range(count)]
    for indices in kinds.values():
        runs = _runs([requests[i] for i in indices], count)
        for share, run in zip(shares, runs, strict=True):
            share += [indices[at] for at in run]
    return shares


def _kind(request: Encoded) -> Hashable:
    return None if isinstance(request, EncodedScore) else (request.request.max_tokens, request.request.stop)


def _runs(requests: Sequence[Encoded], count: int) -> list[list[int]]:
    """The requests in prefix order, cut into `count` runs."""
    ordered = in_prefix_order(requests)
    shared = np.array([shared for _, shared in ordered] + [0])  # by those before and behind a cut
    before = np.cumsum([0] + [own_tokens(requests[i], shared) for i, shared in ordered])  # tokens of what stands before a cut
    cuts = [int(np.argmin(np.abs(before - before[-1] * k / count) + shared)) for k in range(1, count)]
    return [[i for i, _ in ordered[start:end]] for start, end in pairwise([0, *cuts, len(ordered)])]


def own_tokens(request: Encoded, shared: int) -> int:
    """Tokens that a request takes, at most, beyond those of its prompt that are shared with others."""
    asked = len(request.prompt) - shared
    if isinstance(request, EncodedScore):
        return asked + sum(max(len(sequence) - len(request.prompt), 1) for sequence in request.sequences)
    return asked + request.request.max_tokens * request.request.samples
