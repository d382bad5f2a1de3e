"""Items of a wanted length: as many units (lines, words, documents) as fit into a number of tokens."""

from collections.abc import Callable
from typing import TypeVar

Item = TypeVar("Item")

AIM = 0.99  # share of the tokens that a guess aims at
ENOUGH = 0.98  # share of the tokens from which on an item is long enough


def fit(write: Callable[[int], Item], tokens: Callable[[Item], int], max_tokens: int, least: int) -> Item:
    """`write(n)` for a number of units n >= `least` that nearly fills `max_tokens` and does not exceed it.

    `tokens` counts the tokens of an item. Counting is slow, so few items are counted: the shortest, one of middling length, which tells
    how many tokens a unit takes, and usually one of the right length. Raises `ValueError` if `least` units do not fit.
    """
    item = write(least)
    low, used = least, tokens(item)
    if used > max_tokens:
        raise ValueError(f"the shortest takes {used}, and {max_tokens} are left for it")
    high: int | None = None  # the smallest number of units known to be too many
    per_unit = used / least
    while used < ENOUGH * max_tokens and low + 1 != high:
        guess = max(low + 1, low + int((AIM * max_tokens - used) / per_unit))
        n = guess if high is None else min(guess, high - 1)
        longer = write(n)
        found = tokens(longer)
        per_unit = max((found - used) / (n - low), 1.0)
        if found > max_tokens:
            high = n
        else:
            item, low, used = longer, n, found
    return item
