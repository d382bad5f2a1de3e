"""Accuracy of a multiple choice from the log-likelihoods of its continuations."""

from __future__ import annotations

from collections.abc import Sequence


def pick(values: Sequence[float]) -> int:
    """Index of the largest value, the first one on a tie."""
    return max(range(len(values)), key=lambda index: (values[index], -index))


def accuracy(logprobs: Sequence[float], gold: int, characters: Sequence[int]) -> dict[str, float]:
    """`acc`: the likeliest choice is the gold one. `acc_norm`: likewise after division by the choice's characters.

    Characters are Unicode code points of the choice without the leading space (the report's "Char-Len").
    """
    per_character = [logprob / max(count, 1) for logprob, count in zip(logprobs, characters, strict=True)]
    return {"acc": float(pick(logprobs) == gold), "acc_norm": float(pick(per_character) == gold)}
