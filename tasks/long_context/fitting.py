"""Items made to a model's measure: as many units (lines, words, documents) as its tokens leave room for."""

from collections.abc import Callable
from typing import TypeVar

Item = TypeVar("Item")

AIM, ENOUGH = 0.99, 0.98  # of the room


def fit(write: Callable[[int], Item], tokens: Callable[[Item], int], room: int, least: int) -> Item:
    """`write(n)`, with the number of units that fills `room` tokens almost and never exceeds it.

    Counting tokens is what costs, so few texts are counted: the shortest one, one of a middling size, which tells what a unit
    takes, and mostly one of the right size. Raises `ValueError` if not even `least` units fit.
    """
    item = write(least)
    low, used = least, tokens(item)
    if used > room:
        raise ValueError(f"the shortest takes {used}, and there is room for {room}")
    high: int | None = None  # the smallest number of units known to be too many
    per_unit = used / least
    while used < ENOUGH * room and low + 1 != high:
        guess = max(low + 1, low + int((AIM * room - used) / per_unit))
        n = guess if high is None else min(guess, high - 1)
        longer = write(n)
        found = tokens(longer)
        per_unit = max((found - used) / (n - low), 1.0)
        if found > room:
            high = n
        else:
            item, low, used = longer, n, found
    return item
