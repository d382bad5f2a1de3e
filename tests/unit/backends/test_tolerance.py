"""How close is equal, in the three checks that compare: noise passes, and the mildest faults are caught."""

from __future__ import annotations

import pytest

from gemma_eval.backends.self_check import difference
from gemma_eval.backends.tolerance import TOLERANCES
from gemma_eval.settings import Dtype
from gemma_eval.types import ScoreResponse

LENGTHS = (1, 3, 10, 30, 100)
NOISE = {  # largest differences that were measured between sums of so many tokens, by one engine with and without shared prefixes
    Dtype.float32: (4e-5, 4e-5, 7e-5, 7e-5, 2e-4),
    Dtype.bfloat16: (0.14, 0.52, 0.39, 1.69, 1.29),
}
FAULT = {Dtype.float32: 0.0096, Dtype.bfloat16: 0.7}  # nats a token: a window that is off by one, a wrong RoPE base


@pytest.mark.parametrize("dtype", list(Dtype))
def test_noise_passes_and_faults_do_not(dtype: Dtype) -> None:
    tolerance = TOLERANCES[dtype]
    for tokens, noise in zip(LENGTHS, NOISE[dtype], strict=True):
        assert noise < tolerance.of_sum(tokens) < FAULT[dtype] * tokens
    assert tolerance.mean < tolerance.largest < FAULT[dtype]


@pytest.mark.parametrize(("dtype", "largest"), [(Dtype.float32, 1e-3), (Dtype.bfloat16, 0.25)])
def test_the_self_check_allows_no_more_than_this_on_its_three_tokens(dtype: Dtype, largest: float) -> None:
    assert TOLERANCES[dtype].of_sum(3) <= 3 * largest + 1e-9


def responses(*logprobs: float) -> list[ScoreResponse]:
    return [ScoreResponse((logprob,), (3,), (False,)) for logprob in logprobs]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ((-3.0, -4.0), None),
        ((-3.0, -4.002), None),
        ((-3.0, -4.01), "a log-likelihood of 3 tokens is 0.01 nats from that of the full prompt (allowed: 0.0022)"),
        ((-3.01, -5.0), "a log-likelihood of 3 tokens is 0.01 nats from that of the full prompt (allowed: 0.0022)"),
        ((-3.0, float("nan")), "a log-likelihood of 3 tokens is nan nats from that of the full prompt (allowed: 0.0022)"),
    ],
)
def test_a_difference_is_told_in_words(found: tuple[float, ...], reason: str | None) -> None:
    assert difference(responses(*found), responses(-3.0, -4.0), Dtype.float32) == reason
