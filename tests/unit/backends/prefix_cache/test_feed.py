"""A request without an answer takes no other along, whatever the number of engines and the kinds of requests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.backends.base import Answer
from gemma_eval.backends.prefix_cache.feed import feed, one_after_the_other
from gemma_eval.backends.prefix_cache.generate import GenerateJob
from gemma_eval.backends.prefix_cache.messages import Completion, EngineReply, EngineRequest, Job, NoAnswerError
from gemma_eval.backends.prefix_cache.replicas import feed_all
from gemma_eval.errors import RunError, UnansweredError
from gemma_eval.types import EncodedGenerate, Generate, GenerateResponse, Prompt

COUNT = 8


class Picky:
    """Answers each prompt with its number, but for those that it refuses when they are submitted, or later when they are read."""

    max_in_flight = 3

    def __init__(self, refused: Collection[int] = (), unreadable: Collection[int] = (), fatal: Collection[int] = ()) -> None:
        self._refused, self._unreadable, self._fatal = refused, unreadable, fatal
        self._queue: dict[str, int] = {}

    def submit(self, tag: str, request: EngineRequest) -> None:
        if (number := int(request.prompt[1])) in self._refused:
            raise NoAnswerError(f"refuses {number}")
        self._queue[tag] = number

    def step(self) -> Iterator[tuple[str, int]]:
        tag = next(iter(self._queue))
        yield tag, self._queue.pop(tag)

    def reply(self, request: EngineRequest, output: int) -> EngineReply:
        if output in self._fatal:
            raise RunError("gone")
        if output in self._unreadable:
            raise NoAnswerError(f"cannot read {output}")
        return EngineReply(0, completion=Completion(str(output), "eos", 1))

    def generated(self) -> int:
        return 0

    def abort(self, tags: Collection[str]) -> None:
        for tag in tags:
            self._queue.pop(tag, None)


def jobs(samples: int = 2) -> list[Job]:
    settings = Generate(Prompt(("",)), stop=(), max_tokens=8, temperature=1.0, samples=samples)
    return [GenerateJob(n, EncodedGenerate(np.array([2, n], dtype=np.int32), settings), tokenizer=None) for n in range(COUNT)]


def one(refused: Collection[int], unreadable: Collection[int]) -> Iterator[Answer]:
    return feed(Picky(refused, unreadable), iter(jobs()))


def several(refused: Collection[int], unreadable: Collection[int]) -> Iterator[Answer]:
    return feed_all([Picky(refused, unreadable) for _ in range(2)], jobs())


def in_parts(refused: Collection[int], unreadable: Collection[int]) -> Iterator[Answer]:
    halves: Sequence[Sequence[Job]] = (jobs()[:3], jobs()[3:])
    return one_after_the_other(feed(Picky(refused, unreadable), iter(half)) for half in halves)


numbers = st.sets(st.integers(0, COUNT - 1))


@given(numbers, numbers, st.sampled_from([one, several, in_parts]))
def test_each_request_is_answered_or_named(
    refused: set[int], unreadable: set[int], asked: Callable[[Collection[int], Collection[int]], Iterator[Answer]]
) -> None:
    found: dict[int, Answer] = {}
    reasons: dict[int, str] = {}
    try:
        found = {(latest := answer).index: latest for answer in collected(asked(refused, unreadable), found)}
    except UnansweredError as error:
        reasons = error.reasons
    assert reasons == {n: f"refuses {n}" if n in refused else f"cannot read {n}" for n in refused | unreadable}
    assert found.keys() == set(range(COUNT)) - reasons.keys()
    for index, answer in found.items():
        assert isinstance(answer.response, GenerateResponse) and answer.response.texts == (str(index),) * 2


def collected(answers: Iterator[Answer], found: dict[int, Answer]) -> Iterator[Answer]:
    """The answers, each also kept in `found`, which an error in the end does not take away."""
    for answer in answers:
        found[answer.index] = answer
        yield answer


@pytest.mark.parametrize("engines", [1, 2])
def test_an_engine_that_is_gone_ends_the_run(engines: int) -> None:
    made = [Picky(fatal=range(COUNT)) for _ in range(engines)]
    with pytest.raises(RunError, match="gone"):
        list(feed_all(made, jobs()) if engines > 1 else feed(made[0], iter(jobs())))
