"""How close is equal: the tolerance between two computations of the same log-probabilities, in nats a token, by dtype."""

from __future__ import annotations

from dataclasses import dataclass

from gemma_eval.settings import Dtype


@dataclass(frozen=True)
class Tolerance:
    """`mean`: nats a token, over many tokens. `largest`: nats, of a single token."""

    mean: float
    largest: float

    def of_sum(self, tokens: int) -> float:
        """Nats by which the log-likelihoods of a sequence of so many tokens may differ: one token at its worst, and half of the mean for
        each of the others, since in a sum errors of both signs cancel in part."""
        return self.largest + (tokens - 1) * self.mean / 2


TOLERANCES = {Dtype.float32: Tolerance(mean=1e-4, largest=2e-3), Dtype.bfloat16: Tolerance(mean=0.1, largest=0.5)}
