"""backend=server against a small server of our own: what it answers, what it does without, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gemma_eval.backends.base import Answer, Phase
from gemma_eval.backends.server import ServerBackend
from gemma_eval.backends.server.probe import NEUTRAL
from gemma_eval.checkpoint.quantization import Promise
from gemma_eval.errors import ConfigError, GemmaEvalError, RunError, UnansweredError
from gemma_eval.settings import Quantization
from gemma_eval.types import Encoded, GenerateResponse, Image, ImageSpan, ScoreResponse
from tests.unit.backends.server.conftest import KEY
from tests.unit.backends.server.stub import SMALL, TEXT, Reply, Stub, opened, questions, right_score, sent, served, texts

Change = Callable[[dict[str, Any], Reply], Any]


def answered(backend: ServerBackend, requests: Sequence[Encoded]) -> tuple[dict[int, Answer], dict[int, str]]:
    """The answers by index, and why the others have none."""
    found: dict[int, Answer] = {}
    try:
        for answer in backend.answer(requests):
            found[answer.index] = answer
    except UnansweredError as error:
        return found, error.reasons
    return found, {}


def choice(reply: Reply, **changed: Any) -> Reply:
    """The reply with another choice."""
    return reply | {"choices": [reply["choices"][0] | changed]}


@pytest.mark.parametrize("next_tokens", [True, False])
def test_scores_in_both_dialects(next_tokens: bool) -> None:
    """Through 503s, with a bounded number of requests at once, and the key from the environment."""
    stub = Stub(next_tokens=next_tokens, busy=2)
    with served(stub) as url:
        found, reasons = answered(opened(url, concurrency=3, verify=1), questions())
    assert not reasons and set(found) == set(range(6)) and stub.most_at_once <= 3 and stub.keys == {f"Bearer {KEY}"}
    assert all((answer.method == "full_prompt") is not next_tokens for answer in found.values())
    for index, request in enumerate(questions()):
        response, want = found[index].response, right_score(request)
        assert isinstance(response, ScoreResponse)
        assert response.logprobs == pytest.approx(want.logprobs) and response.greedy == want.greedy


def test_a_server_that_ignores_echo_is_refused() -> None:
    with served(Stub(next_tokens=False, echo=False)) as url, pytest.raises(ConfigError, match="can only answer tasks that generate"):
        list(opened(url).answer(questions()))


def test_a_server_that_refuses_to_score_says_why() -> None:
    def change(body: dict[str, Any], reply: Reply) -> Any:
        return sent(400, '{"error": {"message": "logprobs are off"}}') if "logprobs" in body else reply

    with served(Stub(change=change)) as url, pytest.raises(ConfigError, match=r"echo: .*HTTP 400: logprobs are off.*only answer tasks"):
        list(opened(url).answer(questions()))


def test_texts() -> None:
    with served(Stub()) as url:
        (answer,) = opened(url).answer(texts(1, samples=2))
    assert answer.response == GenerateResponse((TEXT,) * 2, ("stop",) * 2, (3, 3)) and answer.usage.generated == 6
    assert answer.method == "generate"


@pytest.mark.parametrize(
    ("text", "finish", "want"),
    [
        ("18\n\nQuestion: next? Answer: 99", "length", ("18", "stop")),  # `stop` is ignored
        ("18\n", "stop", ("18", "stop")),  # it stands in the text
        ("18", "length", ("18", "length")),
    ],
)
def test_a_text_ends_before_the_stop_string(text: str, finish: str, want: tuple[str, str]) -> None:
    with served(Stub(change=lambda body, reply: choice(reply, text=text, finish_reason=finish))) as url:
        (answer,) = opened(url).answer(texts(1))
    assert isinstance(answer.response, GenerateResponse)
    assert (answer.response.texts[0], answer.response.finish[0]) == want


@pytest.mark.parametrize("usage", [None, {}, "none", {"prompt_tokens": None}, {"prompt_tokens": "5"}, {"prompt_tokens": -1}, []])
def test_prompt_tokens_that_are_not_counted_are_said_once_and_noted(usage: Any, caplog: pytest.LogCaptureFixture) -> None:
    """So is nothing of the text: its tokens are counted here."""
    with served(Stub(change=lambda body, reply: reply | {"usage": usage})) as url:
        found, reasons = answered(opened(url), [*questions(), *texts()])
    assert not reasons and len(found) == 12
    assert all(answer.method.endswith("(prompt tokens not counted by the server)") for answer in found.values())
    assert [record.message.count("a second BOS would not be noticed") for record in caplog.records] == [1]
    response = found[6].response
    assert isinstance(response, GenerateResponse) and response.tokens == (3,) == (len(TEXT.split()),)


def test_sampling_is_neutral() -> None:
    with served(stub := Stub()) as url:
        list(opened(url).answer(texts(1)))
    assert all(stub.bodies[-1][name] == value for name, value in NEUTRAL.items()) and stub.bodies[-1]["temperature"] == 0


@pytest.mark.parametrize(
    "refused", [{"top_k"}, {"top_k", "min_p", "repetition_penalty", "repeat_penalty"}, set(NEUTRAL)], ids=lambda names: str(len(names))
)
@pytest.mark.parametrize("status", [422, 500])
def test_parameters_that_a_server_refuses_are_left_out_and_noted(status: int, refused: set[str], caplog: pytest.LogCaptureFixture) -> None:
    """Some servers fail on what they do not know."""

    def change(body: dict[str, Any], reply: Reply) -> Any:
        return sent(status, "unknown parameter") if refused & body.keys() else reply

    with served(stub := Stub(change=change)) as url:
        (answer,) = opened(url).answer(texts(1))
    assert NEUTRAL.keys() & stub.bodies[-1].keys() == NEUTRAL.keys() - refused
    names = ", ".join(name for name in NEUTRAL if name in refused)
    assert answer.method == f"generate (the server's own {names})"
    assert f"the server refuses {names}, so its own defaults decide" in caplog.text


ONE = 3  # the request that goes wrong


def of_one(body: dict[str, Any]) -> bool:
    return body["prompt"][1] in (ONE, 100 + ONE)


REFUSED: dict[str, Change] = {
    "400": lambda body, reply: sent(400, '{"object": "error", "message": "too long"}'),
    "413": lambda body, reply: sent(413, "too long"),
    "422": lambda body, reply: sent(422, '{"detail": [{"loc": ["prompt"], "msg": "too long"}]}'),
    "200": lambda body, reply: {"error": {"message": "too long", "code": 400}},
    "beside choices": lambda body, reply: reply | {"error": "too long"},
    "500, whenever it is asked": lambda body, reply: sent(500, "too long"),
}
BROKEN: dict[str, Change] = {
    "no choices": lambda body, reply: {"usage": reply["usage"]},
    "choices null": lambda body, reply: reply | {"choices": None},
    "no choice": lambda body, reply: reply | {"choices": []},
    "two choices": lambda body, reply: reply | {"choices": reply["choices"] * 2},
    "a list": lambda body, reply: [reply],
    "a number": lambda body, reply: 7,
    "null": lambda body, reply: sent(200, "null"),
    "text null": lambda body, reply: choice(reply, text=None),
    "text a list": lambda body, reply: choice(reply, text=["a"]),
    "chat": lambda body, reply: {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]},
    "HTML": lambda body, reply: sent(200, "<html></html>", content_type="text/html"),
    "empty": lambda body, reply: sent(200, ""),
    "half": lambda body, reply: sent(200, '{"choices": [{"text": "a'),
    "not UTF-8": lambda body, reply: sent(200, b'{"choices": [{"text": "\xff", "finish_reason": "stop"}]}'),
    "deep": lambda body, reply: sent(200, "[" * 100_000),
    "a long number": lambda body, reply: sent(200, "9" * 10_000),
    "another prompt": lambda body, reply: reply | {"usage": {"prompt_tokens": 1}},
}
FINISHES: dict[str, Change] = {
    f"finish_reason {reason}": lambda body, reply, reason=reason: choice(reply, finish_reason=reason)  # type: ignore[misc]
    for reason in ("abort", "content_filter", "error", None, "tool_calls", 7, "")
}


@pytest.mark.parametrize("wrong", (every := REFUSED | BROKEN | FINISHES))
def test_a_request_without_an_answer_takes_no_other_along(wrong: str) -> None:
    """Of six scores and six texts, one each goes wrong. It is named, and if the server says why, so is that."""
    with served(Stub(change=lambda body, reply: every[wrong](body, reply) if of_one(body) else reply)) as url:
        found, reasons = answered(opened(url, retries=1), [*questions(), *texts()])
    assert reasons.keys() == {ONE, 6 + ONE} and found.keys() == set(range(12)) - {ONE, 6 + ONE}
    for reason in reasons.values():
        assert reason.isprintable() and ("too long" in reason) is (wrong in REFUSED)


@pytest.mark.parametrize("value", [None, 0.5, "-1", True, [], float("nan"), float("inf"), float("-inf"), -(10**400)], ids=str)
@pytest.mark.parametrize("next_tokens", [True, False])
def test_what_is_no_log_probability_is_no_answer(value: Any, next_tokens: bool) -> None:
    def change(body: dict[str, Any], reply: Reply) -> Any:
        if not of_one(body):
            return reply
        logprobs = reply["choices"][0]["logprobs"]
        broken = {name: [value for _ in listed] for name, listed in logprobs.items()}
        if next_tokens:
            broken = {"top_logprobs": [dict.fromkeys(logprobs["top_logprobs"][0], value)]}
        return choice(reply, logprobs=broken)

    with served(Stub(change=change, next_tokens=next_tokens)) as url:
        found, reasons = answered(opened(url, retries=1), questions())
    assert reasons.keys() == {ONE} and found.keys() == set(range(6)) - {ONE}


def test_log_probabilities_that_are_out_of_step_are_no_answer() -> None:
    """Without the first token's null, and with a generated token in the end, their number is right."""

    def change(body: dict[str, Any], reply: Reply) -> Any:
        shifted = {name: [*listed[of_one(body) :], listed[-1]] for name, listed in (reply["choices"][0]["logprobs"] or {}).items()}
        return choice(reply, logprobs=shifted)

    with served(Stub(change=change, next_tokens=False)) as url:
        found, reasons = answered(opened(url), questions())
    assert reasons.keys() == {ONE}
    assert all(answer.response.logprobs == pytest.approx(right_score(questions()[i]).logprobs) for i, answer in found.items())  # type: ignore[union-attr]


@pytest.mark.parametrize("length", [0, 1, 3, 50])
def test_log_probabilities_of_another_number_of_tokens_are_no_answer(length: int) -> None:
    def change(body: dict[str, Any], reply: Reply) -> Any:
        listed = {"token_logprobs": [-1.0] * length, "top_logprobs": [{"x": -1.0}] * length}
        return choice(reply, logprobs=listed) if of_one(body) else reply

    with served(Stub(change=change, next_tokens=False)) as url:
        found, reasons = answered(opened(url), questions())
    assert reasons.keys() == {ONE} and "how likely each token is" in reasons[ONE] and len(found) == 5


def test_a_text_longer_than_was_asked_for_is_no_answer() -> None:
    with served(Stub()) as url:
        _, reasons = answered(opened(url), texts(1, max_tokens=1))
    assert reasons == {0: "the server generated 3 tokens where 1 are the most"}


def test_half_a_character_in_a_text_is_replaced() -> None:
    with served(Stub(change=lambda body, reply: choice(reply, text="a \ud83d"))) as url:
        (answer,) = opened(url).answer(texts(1))
    assert isinstance(answer.response, GenerateResponse) and answer.response.texts == ("a \ufffd",)


ALL: dict[str, tuple[Change, str]] = {
    "wrong key": (lambda body, reply: sent(401, f'{{"error": "no such key: {KEY}"}}'), r"HTTP 401: no such key: ….*TEST_KEY"),
    "forbidden": (lambda body, reply: sent(403, f"not for {KEY}"), r"HTTP 403: not for ….*TEST_KEY"),
    "wrong path": (lambda body, reply: sent(404, "<html>\n<b>Not found</b>"), r"HTTP 404: <html> <b>Not found.*check backend\.url"),
    "no such method": (lambda body, reply: sent(405), r"HTTP 405\)"),
    "everything": (lambda body, reply: sent(400, "maintenance"), r"does not answer a prompt of 5 tokens: .*HTTP 400: maintenance"),
    "everything, with 200": (lambda body, reply: {"error": "maintenance"}, r"prompt of 5 tokens: .*maintenance"),
    "wrong key, with 200": (lambda body, reply: {"error": {"code": 401, "message": "no"}}, r"HTTP 401: no\)"),
    "HTML": (lambda body, reply: sent(200, "<html>log in</html>"), r"not JSON: <html>log in"),
    "a second BOS": (lambda body, reply: reply | {"usage": {"prompt_tokens": len(body["prompt"]) + 1}}, "adds a second BOS"),
}


@pytest.mark.parametrize("requests", [questions, texts])
@pytest.mark.parametrize("wrong", ALL)
def test_a_server_that_answers_nothing_ends_the_run_at_once(wrong: str, requests: Callable[[], list[Encoded]]) -> None:
    change, message = ALL[wrong]
    with served(stub := Stub(change=change)) as url, pytest.raises(RunError, match=message) as error:
        list(opened(url).answer(requests()))
    assert stub.seen.total() == 1 and "\n" not in str(error.value) and KEY not in str(error.value)


def test_a_key_that_is_taken_back_ends_the_run() -> None:
    """Answers before that are kept."""
    with served(Stub(change=lambda body, reply: sent(401) if of_one(body) else reply)) as url:
        answers = opened(url, concurrency=1).answer(texts())
        with pytest.raises(RunError, match="HTTP 401"):
            for index, answer in enumerate(answers):  # noqa: B007
                assert answer.index != ONE
    assert index == ONE - 1


def test_images_are_refused() -> None:
    (text,) = texts(1)
    with pytest.raises(ConfigError, match="sends no images"):
        list(opened("http://127.0.0.1:9/v1").answer([replace(text, images=(ImageSpan(Image(b""), 1, 2),))]))


def test_a_server_that_is_gone() -> None:
    with served(Stub()) as url:
        pass
    with pytest.raises(RunError, match=r"does not answer .* run the same command again"):
        list(opened(url, retries=2).answer(texts(1)))


def test_a_model_that_is_not_served() -> None:
    with served(Stub()) as url, pytest.raises(ConfigError, match="the server offers gemma"):
        list(opened(url, served_model="other").answer(texts(1)))


ODD_LISTS: dict[str, Any] = {
    "none": sent(404, "Not found"),
    "not allowed": sent(403),
    "a list": [{"id": "gemma"}],
    "no data": {"models": []},
    "null": {"data": None},
    "without id": {"data": [{"name": "gemma"}]},
    "a number": {"data": [{"id": 7}]},
    "HTML": sent(200, "<html>"),
    "error": {"error": {"message": "no"}},
}


@pytest.mark.parametrize("models", ODD_LISTS)
def test_a_server_without_a_list_of_models_needs_its_name(models: str) -> None:
    with served(stub := Stub(models=ODD_LISTS[models])) as url:
        with pytest.raises(ConfigError, match=r"backend\.served_model: name the model"):
            list(opened(url).answer(texts(1)))
        assert len(list(opened(url, served_model="mine").answer(texts(1)))) == 1
    assert stub.bodies[-1]["model"] == "mine"


def test_a_wrong_key_is_named_before_the_model() -> None:
    with served(Stub(models=sent(401, KEY))) as url, pytest.raises(RunError, match=r"HTTP 401: ….*does not take the key in TEST_KEY"):
        list(opened(url, served_model="mine").answer(texts(1)))


def test_an_empty_list_of_models() -> None:
    with served(Stub(models={"data": []})) as url, pytest.raises(ConfigError, match="the server offers no model"):
        list(opened(url).answer(texts(1)))


class Heard:
    """A watcher that keeps what it hears."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.tokens: list[int] = []

    def phase(self, phase: Phase) -> None:
        self.phases.append(phase)

    def generated(self, tokens: int) -> None:
        self.tokens.append(tokens)


def test_a_watcher_hears_of_phases_and_of_the_tokens_of_texts() -> None:
    """Twice with one backend: it scores again after it has generated."""
    heard = Heard()
    requests = [*questions(), *texts(1, samples=2)]
    with served(stub := Stub()) as url:
        backend = opened(url)
        answers = [answer for _ in range(2) for answer in backend.answer(requests, heard)]
    assert heard.phases == ["loading", "scoring", "generating", "scoring", "generating"]
    assert sum(heard.tokens) == sum(answer.usage.generated for answer in answers) == 2 * 6
    assert len(answers) == 2 * len(requests)
    assert len([body for body in stub.bodies if body["prompt"] == SMALL]) == 4  # contact, parameters, stop strings, log-probabilities: once


def test_how_weights_are_stored_is_stated_and_not_seen() -> None:
    """Also where nothing is said of it, and no promise can be checked."""
    with served(Stub()) as url:
        backend = opened(url)
        backend._checkpoint = replace(backend._checkpoint, promise=Promise("fp8", Quantization.fp8))
        assert backend.fingerprint["quantization"] == "stated, not seen"
        assert len(list(backend.answer(texts(1)))) == 1


def test_a_run_that_was_sampled_otherwise_is_another() -> None:
    with served(Stub()) as url:
        assert opened(url).fingerprint["sampling"] == NEUTRAL


@pytest.mark.parametrize("reply", [sent(200, "<html>"), sent(500), [1], {"version": 7}], ids=["HTML", "500", "list", "number"])
def test_a_version_of_an_odd_shape_is_unknown(reply: Any) -> None:
    with served(Stub(version=reply)) as url:
        assert opened(url, retries=1).fingerprint["engine_version"] == "unknown"
    with served(Stub(version={"version": "0.9"})) as url:
        assert opened(url).fingerprint["engine_version"] == "0.9"


def test_errors_have_one_line() -> None:
    with served(Stub(models=sent(404, "a\r\nb\x1b[31m\u2028c"))) as url, pytest.raises(GemmaEvalError) as error:
        list(opened(url).answer(texts(1)))
    assert str(error.value).isprintable()
