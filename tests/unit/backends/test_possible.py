"""Answers that cannot be so are named, and all others pass."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.backends.base import Answer
from gemma_eval.backends.possible import possible, why_impossible
from gemma_eval.errors import RunError, UnansweredError
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, GenerateResponse, Prompt, Response, ScoreResponse, Usage

SCORE = EncodedScore((np.array([2, 5, 6, 7], np.int32), np.array([2, 5, 8], np.int32)), (2, 2))
TEXTS = EncodedGenerate(np.array([2, 5], np.int32), Generate(Prompt(("",)), (), 8, temperature=1.0, samples=2))
SCORED = ScoreResponse((-3.5, -0.0), (2, 1), (False, True))
GENERATED = GenerateResponse(("a", ""), ("stop", "eos"), (1, 0))

IMPOSSIBLE_SCORES = [
    *(replace(SCORED, logprobs=(-1.0, value)) for value in (math.nan, math.inf, -math.inf, 0.1)),
    *(replace(SCORED, logprobs=(-1.0, value)) for value in (None, "-1", True)),  # type: ignore[arg-type]
    *(replace(SCORED, **{name: getattr(SCORED, name)[:1]}) for name in ("logprobs", "lengths", "greedy")),
    *(replace(SCORED, **{name: (*getattr(SCORED, name), 1)}) for name in ("logprobs", "lengths", "greedy")),
    replace(SCORED, lengths=(0, 1)),
    replace(SCORED, lengths=(2, 2)),
    ScoreResponse((), (), ()),
    GENERATED,
]
IMPOSSIBLE_TEXTS = [
    replace(GENERATED, texts=("a",)),
    replace(GENERATED, finish=("stop", "content_filter")),  # type: ignore[arg-type]
    replace(GENERATED, texts=("a", None)),  # type: ignore[arg-type]
    replace(GENERATED, tokens=(1, -1)),
    GenerateResponse((), (), ()),
    SCORED,
]


@pytest.mark.parametrize("response", IMPOSSIBLE_SCORES)
def test_what_no_model_says_of_continuations(response: Response) -> None:
    assert why_impossible(SCORE, response) and not why_impossible(SCORE, SCORED)


@pytest.mark.parametrize("response", IMPOSSIBLE_TEXTS)
def test_what_no_model_writes(response: Response) -> None:
    assert why_impossible(TEXTS, response) and not why_impossible(TEXTS, GENERATED)


@given(st.floats(-1e30, 0), st.integers(1, 500), st.floats(0, 0.9e-3))
def test_every_finite_log_likelihood_passes_and_so_does_its_rounding(logprob: float, tokens: int, rounding: float) -> None:
    request = EncodedScore((np.arange(tokens + 1, dtype=np.int32),), (1,))
    for value in (logprob, rounding * tokens):
        assert why_impossible(request, ScoreResponse((value,), (tokens,), (True,))) is None


KINDS = st.sampled_from(["sound", "fault", "missing", "impossible", "refused"])


@given(st.lists(st.tuples(st.booleans(), KINDS, st.integers(0, 99)), max_size=12), st.randoms(use_true_random=False))
def test_exactly_the_impossible_are_named_and_exactly_the_others_pass(drawn: list[tuple[bool, str, int]], order: Any) -> None:
    requests: list[Encoded] = [SCORE if scores else TEXTS for scores, _, _ in drawn]

    def said() -> Iterator[Answer]:
        for i in order.sample(range(len(drawn)), len(drawn)):
            scores, kind, number = drawn[i]
            wrong = IMPOSSIBLE_SCORES if scores else IMPOSSIBLE_TEXTS
            sound = SCORED if scores else GENERATED
            if kind not in ("missing", "refused"):
                response = wrong[number % len(wrong)] if kind == "impossible" else sound
                yield Answer(i, response, Usage(), fault="NaN" if kind == "fault" else "")
        if refused := {i: "its image is lost" for i, (_, kind, _) in enumerate(drawn) if kind == "refused"}:
            raise UnansweredError(refused)

    passed, reasons = [], {}
    try:
        for answer in possible(requests, said()):
            passed.append(answer.index)
    except UnansweredError as error:
        reasons = error.reasons
    assert sorted(passed) == [i for i, (_, kind, _) in enumerate(drawn) if kind == "sound"]
    assert sorted([*passed, *reasons]) == list(range(len(drawn))) and all(reasons.values())
    assert all(reasons[i] == "the engine gave no answer" for i, (_, kind, _) in enumerate(drawn) if kind == "missing")


@pytest.mark.parametrize(("indices", "said"), [([0, 0], "request 0 twice"), ([0, 2], "request 2 of 2"), ([-1], "request -1 of 2")])
def test_answers_that_belong_to_no_request_end_the_run(indices: list[int], said: str) -> None:
    answers = (Answer(index, SCORED, Usage()) for index in indices)
    with pytest.raises(RunError, match=said):
        list(possible([SCORE, SCORE], answers))
