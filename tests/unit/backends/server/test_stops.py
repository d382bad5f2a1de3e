"""Servers that limit stop strings: texts are those of a server that takes them all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gemma_eval.backends.base import Answer
from gemma_eval.backends.server.stops import StopLimit, find_limit
from gemma_eval.backends.stopping import before_stop
from gemma_eval.types import Encoded, EncodedGenerate, Generate, GenerateResponse, Prompt
from tests.unit.backends.server.stub import SMALL, Reply, Stub, opened, sent, served

FIVE = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
ELEVEN = tuple(f"\nQuestion {letter}:" for letter in "abcdefghijk")
SHORT = ("\nQ:", "\n\n")
LISTS = (FIVE, ELEVEN, SHORT)


def written(raw: str, stop: Sequence[str]) -> str:
    """What a server returns that looks for stop strings after every character, and of those that end there takes the first in the list."""
    for end in range(len(raw) + 1):
        for string in stop:
            if raw[:end].endswith(string):
                return raw[: end - len(string)]
    return raw


STRINGS = st.lists(st.text("ab", min_size=1, max_size=4), unique=True, min_size=1, max_size=6)


@st.composite
def lists_and_texts(draw: st.DrawFn) -> tuple[list[str], str]:
    """Stop strings, and a text in which their parts meet."""
    stop = draw(STRINGS)
    parts = [part for string in stop for part in (string, string[1:], string[:-1])]
    return stop, "".join(draw(st.lists(st.sampled_from(parts), max_size=5)))


@given(lists_and_texts(), st.integers(0, 3), st.sets(st.integers(0, 5), max_size=2))
@example((["abb", "b"], "abb"), 1, set())
@settings(max_examples=500, deadline=None)
def test_a_text_does_not_depend_on_what_is_sent(case: tuple[list[str], str], most: int, refused: set[int]) -> None:
    stop, raw = case
    limit = StopLimit(most, frozenset(string for at, string in enumerate(stop) if at in refused))
    chosen = limit.to_send(stop, lambda: "abab")
    assert len(chosen) <= most and limit.refused.isdisjoint(chosen) and set(chosen) <= set(stop)
    for strings in (chosen, StopLimit().to_send(stop, lambda: "abab")):
        text = written(raw, strings)
        ended = before_stop(text, stop)
        assert (text if ended is None else ended) == (raw if (right := before_stop(raw, stop)) is None else right)


@given(STRINGS, st.integers(0, 7), st.sets(st.integers(0, 5)))
@settings(max_examples=200, deadline=None)
def test_the_limit_is_found(strings: list[str], most: int, refused: set[int]) -> None:
    asked: list[Sequence[str]] = []
    unwanted = {string for at, string in enumerate(strings) if at in refused}

    def takes(some: Sequence[str]) -> bool:
        asked.append(some)
        return len(some) <= most and unwanted.isdisjoint(some)

    limit = find_limit(strings, takes)
    assert takes(limit.to_send(strings, lambda: ""))
    if most and (taken := set(strings) - unwanted):
        assert limit.refused == unwanted and min(limit.most, len(taken)) == min(most, len(taken))
    if takes(strings):
        assert limit == StopLimit() and asked[0] == strings and len(asked) == 3  # two of them in this test


def test_strings_that_the_prompt_contains_are_sent_first() -> None:
    """The others keep their order, and the prompt's text is asked for only if some must be left out."""
    assert StopLimit(4).to_send(ELEVEN, lambda: f"{ELEVEN[7]}{ELEVEN[9]}") == [ELEVEN[at] for at in (7, 9, 0, 1)]
    assert StopLimit(11).to_send(ELEVEN, lambda: pytest.fail("asked")) == list(ELEVEN)


def test_a_string_that_would_take_the_beginning_of_another_is_not_sent() -> None:
    """A server that ends a text at "\\nQ:" would leave only one of the two line breaks before it."""
    assert StopLimit(1).to_send(SHORT, lambda: "\nQ:") == ["\n\n"]
    assert StopLimit(2).to_send(SHORT, lambda: "\nQ:") == ["\nQ:", "\n\n"]


def requests() -> list[Encoded]:
    """One for each text of `raw`, with each list; the prompt says which."""
    return [
        EncodedGenerate(np.array([2, 100 + at, number], dtype=np.int32), Generate(Prompt(("",)), stop=stop, max_tokens=50))
        for at, stop in enumerate(LISTS)
        for number in range(4)
    ]


def raw(body: dict[str, Any]) -> str:
    """What the model writes after a prompt, up to `max_tokens`."""
    if body["prompt"] == SMALL:
        return "x"
    stop, number = LISTS[body["prompt"][1] - 100], int(body["prompt"][2])
    return ["18", f"18{stop[-1]} 19{stop[0]} 20", f"18{stop[0]} 19", f"18\n{stop[0]} 19{stop[-1]}"][number]


def limiting(takes: Callable[[list[str]], bool], refusal: Any) -> Stub:
    """A server that ends texts at stop strings, and refuses lists of them that it does not take."""

    def change(body: dict[str, Any], reply: Reply) -> Any:
        stop = body.get("stop", [])
        if stop and not takes(stop):
            return refusal
        text = written(raw(body), stop)
        choice = {"text": text, "finish_reason": "stop" if len(text) < len(raw(body)) or text == "18" else "length"}
        return {"choices": [choice], "usage": {"prompt_tokens": len(body["prompt"]), "completion_tokens": 1}}

    return Stub(change=change)


def answers(stub: Stub) -> list[Answer]:
    with served(stub) as url:
        return sorted(opened(url, retries=1).answer(requests()), key=lambda answer: answer.index)


def texts_and_ends(found: list[Answer]) -> list[tuple[str, str]]:
    responses = [answer.response for answer in found]
    return [(r.texts[0], "length" if r.finish[0] == "length" else "ended") for r in responses if isinstance(r, GenerateResponse)]


REFUSAL = sent(400, '{"error": {"message": "Invalid \'stop\': array too long"}}')
LIMITS: dict[str, tuple[Callable[[list[str]], bool], Any, tuple[int, int, int]]] = {  # how many of each list are sent
    "four": (lambda stop: len(stop) <= 4, REFUSAL, (4, 4, 2)),
    "one": (lambda stop: len(stop) <= 1, REFUSAL, (1, 1, 1)),
    "none": (lambda stop: False, REFUSAL, (0, 0, 0)),
    "sixteen": (lambda stop: len(stop) <= 16, REFUSAL, (5, 11, 2)),
    "422": (lambda stop: len(stop) <= 8, sent(422, "too long"), (5, 8, 2)),
    "200 with an error": (lambda stop: len(stop) <= 4, {"error": "too long"}, (4, 4, 2)),
    "500": (lambda stop: len(stop) <= 4, sent(500), (4, 4, 2)),
    "no blanks": (lambda stop: all(map(str.strip, stop)), REFUSAL, (5, 11, 0)),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_server_that_limits_stop_strings_gives_the_texts_of_one_that_does_not(name: str, caplog: pytest.LogCaptureFixture) -> None:
    takes, refusal, counts = LIMITS[name]
    caplog.set_level(logging.WARNING)
    found = answers(stub := limiting(takes, refusal))
    assert texts_and_ends(found) == texts_and_ends(answers(limiting(lambda stop: True, REFUSAL)))
    notes = [f" ({count} of {len(stop)} stop strings sent)" if count < len(stop) else "" for count, stop in zip(counts, LISTS, strict=True)]
    assert [answer.method for answer in found[::4]] == [f"generate{note}" for note in notes]
    assert all("stop" not in body or takes(body["stop"]) for body in stub.bodies if body["prompt"] != SMALL)
    assert caplog.text.count("the server limits stop strings") == 1


def test_a_server_without_limit_is_asked_once(caplog: pytest.LogCaptureFixture) -> None:
    found = answers(stub := limiting(lambda stop: True, REFUSAL))
    assert texts_and_ends(found) == [("18", "ended"), ("18", "ended"), ("18", "ended"), ("18\n", "ended")] * 2 + [("18", "ended")] * 4
    assert len([body for body in stub.bodies if body["prompt"] == SMALL and "stop" in body]) == 1
    assert {answer.method for answer in found} == {"generate"} and "limits stop strings" not in caplog.text


def test_a_text_without_stop_strings_sent_that_ends_by_itself_has_not_stopped() -> None:
    found = answers(limiting(lambda stop: False, REFUSAL))
    ends = [answer.response.finish[0] for answer in found if isinstance(answer.response, GenerateResponse)]
    assert ends == ["eos", "stop", "stop", "stop"] * 3
