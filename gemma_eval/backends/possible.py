"""What an engine says is believed only if it can be so: every answer of every backend passes through here before it is recorded.

A NaN weight, a dtype that overflows or a broken server gives numbers that are no log-probabilities, and a score made of them looks like any
other. Such a request is not answered, and the others are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

from gemma_eval.backends.base import Answer
from gemma_eval.backends.tolerance import ABOVE_ZERO
from gemma_eval.errors import RunError, UnansweredError
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Finish, GenerateResponse, Response, ScoreResponse


def possible(requests: Sequence[Encoded], answers: Iterable[Answer]) -> Iterator[Answer]:
    """The answers that can be so. In the end, `UnansweredError` names the requests whose answers cannot, and those without one.

    Raises `RunError` at once if an answer belongs to no request, or a request has two: then none can be told from another.
    """
    due = set(range(len(requests)))
    reasons: dict[int, str] = {}
    try:
        for answer in answers:
            if answer.index not in due:
                known = 0 <= answer.index < len(requests)
                what = f"request {answer.index} twice" if known else f"request {answer.index} of {len(requests)}"
                raise RunError(f"the engine answers {what}, so its answers cannot be told apart; answers before this one are kept")
            due.remove(answer.index)
            if why := answer.fault or why_impossible(requests[answer.index], answer.response):
                reasons[answer.index] = why
            else:
                yield answer
    except UnansweredError as error:
        reasons |= error.reasons
    reasons |= dict.fromkeys(sorted(due - reasons.keys()), "the engine gave no answer")
    if reasons:
        raise UnansweredError(reasons)


def why_impossible(request: Encoded, response: Response) -> str | None:
    """Why a response cannot be the answer to a request, in words; None if it can."""
    if isinstance(request, EncodedScore) and isinstance(response, ScoreResponse):
        return _of_score(request, response)
    if isinstance(request, EncodedGenerate) and isinstance(response, GenerateResponse):
        return _of_texts(request, response)
    return f"the answer is a {type(response).__name__}, which is not what was asked for"


def _of_score(request: EncodedScore, response: ScoreResponse) -> str | None:
    asked = len(request.sequences)
    for what, found in (("log-probabilities", response.logprobs), ("lengths", response.lengths), ("greedy flags", response.greedy)):
        if len(found) != asked:
            return f"the answer has {len(found)} {what} for {asked} continuations"
    parts = zip(request.sequences, request.starts, response.logprobs, response.lengths, strict=True)
    for number, (sequence, start, logprob, length) in enumerate(parts, 1):
        if length != len(sequence) - start:
            return f"continuation {number} has {len(sequence) - start} tokens, and the answer says {length}"
        if why := why_no_logprob(logprob, length):
            return f"the log-likelihood of continuation {number} is {why}"
    return None


def why_no_logprob(logprob: object, tokens: int = 1) -> str | None:
    """Why a number cannot be the log-probability (nats) of so many tokens, as in "nan, which is not finite"; None if it can."""
    if isinstance(logprob, bool) or not isinstance(logprob, float | int):
        return f"{logprob!r}, which is no number"
    if not math.isfinite(logprob):
        return f"{logprob}, which is not finite"
    return f"{logprob:.3g}, which is above 0" if logprob > ABOVE_ZERO * tokens else None


def _of_texts(request: EncodedGenerate, response: GenerateResponse) -> str | None:
    asked = request.request.samples
    for what, found in (("texts", response.texts), ("reasons why they end", response.finish), ("token counts", response.tokens)):
        if len(found) != asked:
            return f"the answer has {len(found)} {what}, and {asked} texts were asked for"
    for number, (text, finish, tokens) in enumerate(zip(response.texts, response.finish, response.tokens, strict=True), 1):
        if not isinstance(text, str) or finish not in get_args(Finish) or tokens < 0:
            return f"text {number} is {text!r:.40}, of {tokens} tokens, ended by {finish!r}"
    return None
