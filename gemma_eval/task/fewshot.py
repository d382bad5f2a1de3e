"""Which rows are chosen: exemplars for a prompt, and items under a limit.

Both are drawn by sorting on a hash of seed, task and row. So a draw does not depend on the Python version, and a smaller draw is
always part of a larger one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from enum import Enum


class Fewshot(Enum):
    """Where exemplars come from."""

    seeded = "seeded"  # drawn once by seed: the same for every item, or every item of a subset
    first = "first"  # the first ones of the exemplar split, in order (MMLU's dev split)
    per_item = "per_item"  # drawn anew for every item, by seed and item
    published = "published"  # written on the task's page, as the benchmark's authors published them


def choose_exemplars(ids: Sequence[str], k: int, policy: Fewshot, seed: int, task: str, group: str, item: str = "") -> list[int]:
    """Indices into `ids` of at most `k` exemplars, in prompt order. With `per_item`, the draw depends on `item` too."""
    if policy is Fewshot.first:
        return list(range(min(k, len(ids))))
    salt = item if policy is Fewshot.per_item else ""
    order = sorted(range(len(ids)), key=lambda i: _rank("exemplar", seed, task, group, salt, ids[i]))
    return order[:k]


def choose_items(ids: Sequence[str], subsets: Sequence[str], limit: int | None, seed: int, task: str) -> list[int]:
    """Indices of at most `limit` items, ascending. Every subset gets its share.

    The choice is nested: the items of one limit are among those of any larger limit. So a run can be widened later, and no answer is
    computed twice.
    """
    if limit is None or limit >= len(ids):
        return list(range(len(ids)))
    by_subset: dict[str, list[int]] = defaultdict(list)
    for index, subset in enumerate(subsets):
        by_subset[subset].append(index)
    order: list[tuple[float, bytes, int]] = []
    for subset, members in by_subset.items():
        offset = int.from_bytes(_rank("offset", seed, task, subset)[:8], "big") / 2**64
        members.sort(key=lambda i: _rank("item", seed, task, ids[i]))
        order += [((rank + offset) / len(members), _rank(subset), index) for rank, index in enumerate(members)]
    return sorted(index for _, _, index in sorted(order)[:limit])


def _rank(*key: object) -> bytes:
    return hashlib.sha256("/".join(map(str, key)).encode()).digest()
