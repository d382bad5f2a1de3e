"""ANLS, the average normalised Levenshtein similarity of DocVQA and InfographicVQA (Biten et al., 2019, arXiv 1905.13648)."""

from __future__ import annotations

from collections.abc import Iterable

THRESHOLD = 0.5


def similarity(answer: str, golds: Iterable[str], threshold: float = THRESHOLD) -> float:
    """1 less edit distance over the longer length, the best over golds; 0 from the threshold distance on.

    Case and white space are evened out first, on both sides and before lengths are taken.
    """
    return max(_similarity(_even(answer), _even(gold), threshold) for gold in golds)


def _similarity(answer: str, gold: str, threshold: float) -> float:
    from rapidfuzz.distance import Levenshtein  # here: every command imports the tasks, and few score

    distance = Levenshtein.normalized_distance(answer, gold)
    return 1 - distance if distance < threshold else 0.0


def _even(text: str) -> str:
    return " ".join(text.lower().split())
