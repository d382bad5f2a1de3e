"""Accuracy of a multiple choice from the log-likelihoods of its continuations."""

from __future__ import annotations

from collections.abc import Sequence


def pick(values: Sequence[float]) -> int:
    """Index of the largest value; of equal ones the first."""
    return max(range(len(values)), key=lambda index: (values[index], -index))


def accuracy(logprobs: Sequence[float], gold: int, characters: Sequence[int]) -> dict[str, float]:
    """`acc`: whether the likeliest choice is the gold one. `acc_norm`: the same after division by each choice's length in characters.

    logprobs: log-likelihoods (nats) [choices]; gold: index of the gold choice; characters: Unicode code points of each choice without its
    leading space [choices] (the report's "Char-Len").
    """
    per_character = [logprob / max(count, 1) for logprob, count in zip(logprobs, characters, strict=True)]
    return {"acc": float(pick(logprobs) == gold), "acc_norm": float(pick(per_character) == gold)}
