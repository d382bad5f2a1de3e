"""How close is equal: by how much two computations of the same log-probabilities may differ, in nats a token, by dtype.

The self-checks, `backend.verify` and `gemma-eval doctor` use these numbers. Measured with Gemma 3 270M on a CPU, mean and largest:

| difference                                                     | float32    | bfloat16   |
|----------------------------------------------------------------|------------|------------|
| with and without shared prefixes, one token                    | 5e-6, 4e-5 | 0.02, 0.14 |
| the same, sum of three unlikely tokens (ten nats each)         | 1e-5, 3e-5 | 0.11, 0.51 |
| the same, sum of 100 tokens                                    | 4e-5, 1e-4 | 0.30, 1.3  |
| vLLM and transformers, one token                               | 2e-5, 8e-5 | 0.02, 0.11 |
| the same, sum of 100 tokens                                    | 1e-3, 3e-3 | 0.42, 1.7  |
| bfloat16 and float32, one token                                |            | 0.04, 0.26 |

Faults, in nats a token on average: a sliding window of 511 tokens for 512 costs 0.01, a doubled BOS 0.14 to 0.26, a wrong RoPE base 0.7 to
2.6, and an attention that ignores the window 4.4. So float32 shows all of them, and bfloat16 all but the first.
"""

from __future__ import annotations

from dataclasses import dataclass

from gemma_eval.settings import Dtype


@dataclass(frozen=True)
class Tolerance:
    """What two computations may differ by. `mean`: nats a token, over many tokens. `largest`: nats, of any one token."""

    mean: float
    largest: float

    def of_sum(self, tokens: int) -> float:
        """Nats by which the log-likelihood of a sequence may differ: one of its tokens by `largest`, and each other one by `mean`."""
        return self.largest + (tokens - 1) * self.mean


ABOVE_ZERO = 1e-3  # nats a token by which rounding may lift a log-probability above 0
TOLERANCES = {Dtype.float32: Tolerance(mean=1e-4, largest=2e-3), Dtype.bfloat16: Tolerance(mean=0.1, largest=0.55)}
