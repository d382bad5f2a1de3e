"""Replies of servers, damaged at random: each is the right answer, or that request is named as unanswered, or the run is refused.

The right reply to a request is damaged in one place, and read through the same dialects, jobs and feeding as in a run. Some replies
go over the wire, as bytes with a status.
"""

from __future__ import annotations

import copy
import json
from collections import deque
from collections.abc import Collection, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemma_eval.backends.prefix_cache.feed import feed
from gemma_eval.backends.prefix_cache.jobs import generate_jobs, score_jobs
from gemma_eval.backends.prefix_cache.messages import Job
from gemma_eval.backends.server.client import Client
from gemma_eval.backends.server.dialect import Dialect, Echo, NextTokens
from gemma_eval.backends.server.engine import ServerEngine
from gemma_eval.errors import GemmaEvalError, UnansweredError
from gemma_eval.settings import Dtype, ServerConfig
from gemma_eval.types import Encoded, GenerateResponse, Response, ScoreResponse
from tests.unit.backends.server.stub import TEXT, FakeTokenizer, Stub, questions, right_reply, right_score, sent, served, texts

DIALECTS: list[Dialect] = [NextTokens("m", len), Echo("m", len, null_first=True), Dialect("m", len)]

# No number here could be a log-probability, and no text a finish reason.
SCALARS = st.sampled_from(
    [
        None,
        True,
        False,
        "",
        "a",
        "-1.5",
        0.5,
        1e308,
        10**400,
        -(10**400),
        float("nan"),
        float("inf"),
        float("-inf"),
        2**31,
        "\ud800",
        "\x00",
    ]
)
NUMBERS = st.sampled_from([None, True, 0.5, 7, float("nan"), float("inf"), float("-inf"), "-1.5", [-1.5], 10**400])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3))


class Canned:
    """A client whose server answers at once, and damages its reply to request number `broken`."""

    concurrency = 4

    def __init__(self, data: st.DataObject, broken: int) -> None:
        self._data = data
        self._left = broken
        self._replies: deque[tuple[str, Any]] = deque()

    def post(self, tag: str, path: str, body: dict[str, Any]) -> None:
        reply: Any = right_reply(body)
        if self._left == 0:
            reply = damaged(copy.deepcopy(reply), self._data)
        self._left -= 1
        self._replies.append((tag, reply))

    def next_response(self) -> tuple[str, Any]:
        return self._replies.popleft()

    def cancel(self, tags: Collection[str]) -> None:
        self._replies.clear()


def damaged(reply: Any, data: st.DataObject) -> Any:
    """The reply with one part of it replaced by something that cannot stand there, left out, or repeated."""
    whole = [reply]
    parts = list(places(whole))
    numbers = [(container, at) for container, at in parts if isinstance(container[at], float)]
    among_numbers = data.draw(st.booleans())
    if numbers and among_numbers:
        container, at = numbers[data.draw(st.integers(0, len(numbers) - 1))]
        container[at] = data.draw(NUMBERS)
        return reply
    container, at = parts[data.draw(st.integers(0, len(parts) - 1))]
    what = data.draw(st.sampled_from(["replaced", "replaced", "left out", "repeated"])) if container is not whole else "replaced"
    if what == "replaced":
        values = SCALARS | VALUES
        container[at] = data.draw(values.filter(lambda value: not isinstance(value, str)) if at == "text" else values)
    elif what == "left out":
        del container[at]
    elif isinstance(container, list):
        container.append(container[at])
    return whole[0]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every part of a JSON value: what contains it, and its key or index there."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


def jobs_of(dialect: Dialect, requests: list[Encoded]) -> list[Job]:
    if isinstance(dialect, NextTokens | Echo):
        return score_jobs(requests, dialect.mode, Dtype.float32, verify=0, seed=0)
    return generate_jobs(requests, FakeTokenizer())


def outcome(engine: ServerEngine, jobs: list[Job]) -> tuple[dict[int, Response], dict[int, str]]:
    found: dict[int, Response] = {}
    try:
        for answer in feed(engine, iter(jobs)):
            found[answer.index] = answer.response
    except UnansweredError as error:
        return found, error.reasons
    return found, {}


def assert_right(request: Encoded, response: Response) -> None:
    """Greedy flags are not compared: a reply that leaves the likeliest token out looks like any other."""
    if isinstance(response, ScoreResponse):
        want = right_score(request)
        assert response.logprobs == pytest.approx(want.logprobs) and response.lengths == want.lengths
    else:
        assert isinstance(response, GenerateResponse) and response.texts == (TEXT,) and response.finish == ("stop",)


@given(st.data(), st.sampled_from(DIALECTS), st.integers(0, 5))
@settings(max_examples=300, deadline=None)
def test_a_damaged_reply_is_right_or_no_answer(data: st.DataObject, dialect: Dialect, broken: int) -> None:
    requests = texts() if type(dialect) is Dialect else questions()
    found, reasons = outcome(ServerEngine(Canned(data, broken), dialect, small={}), jobs_of(dialect, requests))  # type: ignore[arg-type]
    assert found.keys() | reasons.keys() == set(range(6)) and len(reasons) <= 1 and not found.keys() & reasons.keys()
    for index, response in found.items():
        assert_right(requests[index], response)
    assert all(reason and reason.isprintable() for reason in reasons.values())


class Wire:
    """A server that sends to request number `broken` whatever it is told to."""

    def __init__(self) -> None:
        self.response: Any = None
        self.stub = Stub(change=self._change)

    def _change(self, body: dict[str, Any], reply: Any) -> Any:
        return self.response if body["prompt"][1] == 3 else reply


@pytest.fixture(scope="module")
def wire() -> Iterator[tuple[Wire, Client]]:
    told = Wire()
    with served(told.stub) as url:
        yield told, Client(ServerConfig(url=url, retries=0, concurrency=1))


BODIES = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode(errors="replace")),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.builds(lambda value, name: json.dumps({name: value}).encode(), VALUES, st.sampled_from(["error", "choices", "usage", "object"])),
)


@given(st.integers(200, 599).filter(lambda status: status not in (204, 304)), BODIES, st.text("0123456789-.naife :", max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_over_the_wire(wire: tuple[Wire, Client], status: int, body: bytes, retry_after: str) -> None:
    told, client = wire
    told.response = sent(status, body, Retry_After=retry_after)
    try:
        found, reasons = outcome(ServerEngine(client, Dialect("m", len), small={"prompt": [2, 1]}), jobs_of(DIALECTS[2], texts()))
    except GemmaEvalError as error:
        assert str(error).isprintable() and (not 200 <= status < 300 or b"error" in body)
    else:
        assert found.keys() == set(range(6)) - {3} and reasons.keys() == {3} and reasons[3].isprintable()
