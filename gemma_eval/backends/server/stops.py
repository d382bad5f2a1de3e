"""Which stop strings are sent to a server that does not take them all.

Every text is cut here before the stop string that is complete first, so those that are sent only save tokens. A text that an unsent one
would have ended is generated further, and then cut to the same.
"""

from __future__ import annotations

import bisect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StopLimit:
    """A server takes at most `most` stop strings in a request, and none of `refused`."""

    most: int = sys.maxsize
    refused: frozenset[str] = frozenset()

    def __str__(self) -> str:
        parts = [f"at most {self.most} in a request"] if self.most < sys.maxsize else []
        return "; ".join(parts + ([f"none of {', '.join(map(repr, sorted(self.refused)))}"] if self.refused else []))

    def to_send(self, stop: Sequence[str], prompt: Callable[[], str]) -> list[str]:
        """Those of `stop` to send with a prompt, whose text is asked for only if it matters.

        A model repeats the form of its exemplars, so strings in the prompt come first. The others keep the order of the list.
        """
        if len(stop) > self.most or not self.refused.isdisjoint(stop):
            text = prompt()
            taken = [string for string in stop if string not in self.refused and not any(_hides(string, other) for other in stop)]
            stop = sorted(taken, key=lambda string: string not in text)[: self.most]
        return sorted(stop, key=len, reverse=True)  # of two that end together, the longer begins first; vLLM takes the first listed


def find_limit(strings: Sequence[str], takes: Callable[[Sequence[str]], bool]) -> StopLimit:
    """How a server limits stop strings, where `takes` asks it. One that takes all of these is asked once."""
    if not strings or takes(strings):
        return StopLimit()
    taken = [string for string in strings if takes([string])]
    if not taken:
        return StopLimit(0)
    most = bisect.bisect_left(range(1, len(taken) + 1), True, key=lambda count: not takes(taken[:count]))
    return StopLimit(most if most < len(taken) else sys.maxsize, frozenset(strings) - set(taken))


def _hides(sent: str, other: str) -> bool:
    """Whether a text may lose `other`, which is complete before `sent` or together with it, when it ends where `sent` begins."""
    return other != sent and (other in sent[1:-1] or any(sent.startswith(other[at:]) for at in range(1, len(other))))
