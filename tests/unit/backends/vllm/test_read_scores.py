"""What is not finite in an engine's output reaches the answer of its own request, which is then refused by name."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from gemma_eval.backends.possible import why_impossible
from gemma_eval.backends.prefix_cache.messages import ScoreRequest
from gemma_eval.backends.prefix_cache.score import ScoreJob, ScoringMode
from gemma_eval.backends.vllm.engine import read_scores
from gemma_eval.types import EncodedScore


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_request_is_refused_and_not_the_run(value: float) -> None:
    request = EncodedScore((np.array([2, 5, 7], np.int32), np.array([2, 5, 8], np.int32)), (2, 2))
    job = ScoreJob(0, request, ScoringMode())
    (asked,) = job.requests()
    assert isinstance(asked, ScoreRequest)
    listed = {token: SimpleNamespace(logprob=logprob) for token, logprob in {7: -1.0, 8: value, 9: -0.5}.items()}
    output = SimpleNamespace(num_cached_tokens=0, outputs=[SimpleNamespace(logprobs=[listed])], prompt_logprobs=None)
    assert not job.take(asked, read_scores(asked, output))
    answer = job.answer()
    assert answer and why_impossible(request, answer.response) == f"the log-likelihood of continuation 2 is {value}, which is not finite"
