"""ANLS, the average normalised Levenshtein similarity of DocVQA and InfographicVQA (Biten et al., 2019, arXiv 1905.13648)."""

from __future__ import annotations

from collections.abc import Iterable

THRESHOLD = 0.5


def similarity(answer: str, golds: Iterable[str], threshold: float = THRESHOLD) -> float:
    """1 minus the edit distance divided by the longer length, the best over golds. It is 0 if that ratio is `threshold` or more.

    Case and white space do not matter: both texts are normalised before their lengths are taken.
    """
    return max(_similarity(_even(answer), _even(gold), threshold) for gold in golds)


def _similarity(answer: str, gold: str, threshold: float) -> float:
    from rapidfuzz.distance import Levenshtein  # here: every command imports the tasks, and few score

    distance = Levenshtein.normalized_distance(answer, gold)
    return 1 - distance if distance < threshold else 0.0


def _even(text: str) -> str:
    return " ".join(text.lower().split())
