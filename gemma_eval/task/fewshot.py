"""Which rows are chosen: exemplars for a prompt, and items under a limit. Seeded, nested, never the first n."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import Enum


class Fewshot(Enum):
    """Where exemplars come from."""

    seeded = "seeded"  # drawn once by seed, the same for every item (of a subset)
    first = "first"  # the first k of the exemplar split, in order (MMLU's dev split)
    per_item = "per_item"  # drawn anew for every item, by seed and item
    published = "published"  # written in the task page, as published with the benchmark


def _rank(*key: object) -> bytes:
    return hashlib.sha256("/".join(map(str, key)).encode()).digest()


def choose_exemplars(ids: Sequence[str], k: int, policy: Fewshot, seed: int, task: str, group: str, item: str = "") -> list[int]:
    """Indices into `ids` of `k` exemplars, in prompt order. With `per_item`, `item` seeds the draw.

    The draw sorts by a hash of seed, task and id, so it does not depend on the Python version, and the first
    k of a larger draw are the smaller draw.
    """
    if policy is Fewshot.first:
        return list(range(min(k, len(ids))))
    salt = item if policy is Fewshot.per_item else ""
    order = sorted(range(len(ids)), key=lambda i: _rank("exemplar", seed, task, group, salt, ids[i]))
    return order[:k]
