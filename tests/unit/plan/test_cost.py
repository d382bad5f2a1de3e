"""The plan's token counts, by hand."""

from __future__ import annotations

import numpy as np

from gemma_eval.plan.cost import cost
from gemma_eval.types import EncodedGenerate, EncodedScore, Generate, Prompt, TokenIds


def ids(*values: int) -> TokenIds:
    return np.asarray(values, dtype=np.int32)


def test_shared_prompts_and_letters() -> None:
    """Two questions of four one-letter choices under three exemplar tokens: the letters are only predicted."""
    asked = [EncodedScore(tuple(ids(2, 10, 11, question, letter) for letter in (5, 6, 7, 8)), (4,) * 4) for question in (20, 21)]
    found = cost(asked)
    assert (found.requests, found.unshared, found.unique, found.head_rows, found.generated) == (2, 8 * 4, 3 + 2, 2, 0)


def test_longer_choices_share_their_beginnings() -> None:
    asked = [EncodedScore((ids(2, 10, 30, 31), ids(2, 10, 30, 32), ids(2, 10, 40, 31)), (2,) * 3)]
    found = cost(asked)
    assert (found.unshared, found.unique, found.head_rows) == (9, 4, 3)  # rows after 10, 30 and 40


def test_generation_counts_samples_and_limits() -> None:
    asked = [EncodedGenerate(ids(2, 10, question), Generate(Prompt(("",)), (), 16, temperature=1.0, samples=3)) for question in (20, 21)]
    found = cost(asked)
    assert (found.unshared, found.unique, found.generated) == (18, 4, 96)
