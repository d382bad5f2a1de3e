"""backend=server against a small server of our own: retries, dialects, and refusals of servers that answer something else."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from gemma_eval.backends.base import Phase
from gemma_eval.backends.server import ServerBackend
from gemma_eval.checkpoint.quantization import Promise
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError, RunError
from gemma_eval.settings import Dtype, Quantization, ServerConfig
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, GenerateResponse, Image, ImageSpan, Prompt, ScoreResponse

VOCABULARY = 2000
KEY = "sk-test"


def logprob(before: list[int], token: int) -> float:
    return -1 - ((sum(before) * 31 + token * 7) % 97) / 10


class Stub:
    """A completions endpoint over arithmetic. `busy`: how many times each request is turned away first."""

    def __init__(self, *, next_tokens: bool = True, echo: bool = True, bos_twice: bool = False, busy: int = 0) -> None:
        self.next_tokens, self.echo, self.bos_twice, self.busy = next_tokens, echo, bos_twice, busy
        self.seen: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self.keys: set[str | None] = set()

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "gemma"}]})

    async def completions(self, request: web.Request) -> web.Response:
        self.keys.add(request.headers.get("Authorization"))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0.005)
            body = await request.json()
            name = str(sorted(body.items()))
            self.seen[name] += 1
            if self.seen[name] <= self.busy:
                return web.Response(status=503, text="loading")
            return web.json_response(self.answer(body))
        finally:
            self.at_once -= 1

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt: list[int] = body["prompt"]
        choice: dict[str, Any] = {"text": " and so on", "finish_reason": "stop", "logprobs": None}
        if body.get("logprob_token_ids") and self.next_tokens:
            likeliest = 9
            listed = {f"token_id:{t}": logprob(prompt, t) for t in [*body["logprob_token_ids"], likeliest]}
            choice["logprobs"] = {"top_logprobs": [listed]}
            if "prompt_logprobs" in body:
                choice["prompt_logprobs"] = [None] + [
                    {str(prompt[i]): {"logprob": logprob(prompt[:i], prompt[i])}, "9": {"logprob": logprob(prompt[:i], 9)}}
                    for i in range(1, len(prompt))
                ]
        elif body.get("echo") and self.echo:
            values = [None, *(logprob(prompt[:i], prompt[i]) for i in range(1, len(prompt)))]
            tops = [None, *({"x": max(logprob(prompt[:i], prompt[i]), logprob(prompt[:i], 9))} for i in range(1, len(prompt)))]
            choice["logprobs"] = {"token_logprobs": values, "top_logprobs": tops}
        return {"choices": [choice], "usage": {"prompt_tokens": len(prompt) + self.bos_twice, "completion_tokens": 3}}


@contextmanager
def served(stub: Stub) -> Iterator[str]:
    """The stub on a port of its own."""
    loop, port = asyncio.new_event_loop(), queue.SimpleQueue[int]()
    stopped = asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        app.add_routes([web.get("/v1/models", stub.models), web.post("/v1/completions", stub.completions)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port.put(runner.addresses[0][1])
        await stopped.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port.get(timeout=10)}/v1"
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()


class FakeTokenizer:
    eos_token_id = 1

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [2]}

    def __len__(self) -> int:
        return VOCABULARY


@pytest.fixture
def open_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ServerBackend]:
    monkeypatch.setattr("gemma_eval.backends.server.client.random.uniform", lambda low, high: 0.01)  # pauses
    monkeypatch.setenv("TEST_KEY", KEY)

    def opened(url: str, **settings: Any) -> ServerBackend:
        config = ServerConfig(dtype=Dtype.float32, url=url, key_variable="TEST_KEY", **settings)
        backend = ServerBackend(config, Checkpoint(tmp_path, {"path": "x"}, 4096))
        backend.__dict__["tokenizer"] = FakeTokenizer()
        return backend

    return opened


def questions() -> list[Encoded]:
    made: list[Encoded] = []
    for n in range(6):
        context = [2, 100 + n, 50, 60]
        choices = [[10], [11]] if n % 2 else [[10, 20, 30], [10, 21], [12, 9, 9, 9]]
        sequences = tuple(np.array(context + choice, dtype=np.int32) for choice in choices)
        made.append(EncodedScore(sequences, (len(context),) * len(choices)))
    return made


@pytest.mark.parametrize("next_tokens", [True, False])
def test_scores_in_both_dialects(open_server: Callable[..., ServerBackend], next_tokens: bool) -> None:
    """Through 503s, with a bounded number of requests at once, and the key from the environment."""
    stub = Stub(next_tokens=next_tokens, busy=2)
    with served(stub) as url:
        found = {a.index: a for a in open_server(url, concurrency=3, verify=1).answer(questions())}
    assert set(found) == set(range(6)) and stub.most_at_once <= 3 and stub.keys == {f"Bearer {KEY}"}
    assert all((answer.method == "full_prompt") is not next_tokens for answer in found.values())
    for index, request in enumerate(questions()):
        response = found[index].response
        assert isinstance(request, EncodedScore) and isinstance(response, ScoreResponse)
        for sequence, start, total, greedy in zip(request.sequences, request.starts, response.logprobs, response.greedy, strict=True):
            ids = sequence.tolist()
            want = [logprob(ids[:i], ids[i]) for i in range(start, len(ids))]
            assert total == pytest.approx(sum(want))
            assert greedy == all(value >= logprob(ids[:i], 9) for i, value in enumerate(want, start))


def test_a_server_that_ignores_echo_is_refused(open_server: Callable[..., ServerBackend]) -> None:
    with served(Stub(next_tokens=False, echo=False)) as url, pytest.raises(ConfigError, match="can only answer tasks that generate"):
        list(open_server(url).answer(questions()))


def generation() -> list[Encoded]:
    prompt = np.array([2, 5, 6], dtype=np.int32)
    return [EncodedGenerate(prompt, Generate(Prompt(("",)), stop=("\n",), max_tokens=8, samples=2))]


def test_texts(open_server: Callable[..., ServerBackend]) -> None:
    with served(Stub()) as url:
        (answer,) = open_server(url).answer(generation())
    assert answer.response == GenerateResponse((" and so on",) * 2, ("stop",) * 2, (3, 3)) and answer.usage.generated == 6


def test_images_are_refused(open_server: Callable[..., ServerBackend]) -> None:
    (text,) = generation()
    with pytest.raises(ConfigError, match="sends no images"):
        list(open_server("http://127.0.0.1:9/v1").answer([replace(text, images=(ImageSpan(Image(b""), 1, 2),))]))


def test_a_second_bos_is_noticed(open_server: Callable[..., ServerBackend]) -> None:
    with served(Stub(bos_twice=True)) as url, pytest.raises(RunError, match="adds a second BOS"):
        list(open_server(url).answer(generation()))


def test_a_server_that_is_gone(open_server: Callable[..., ServerBackend]) -> None:
    with served(Stub()) as url:
        pass
    with pytest.raises(RunError, match=r"does not answer .* run the same command again"):
        list(open_server(url, retries=2).answer(generation()))


def test_a_model_that_is_not_served(open_server: Callable[..., ServerBackend]) -> None:
    with served(Stub()) as url, pytest.raises(ConfigError, match="the server offers gemma"):
        list(open_server(url, served_model="other").answer(generation()))


class Heard:
    """A watcher that keeps what it hears."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.tokens: list[int] = []

    def phase(self, phase: Phase) -> None:
        self.phases.append(phase)

    def generated(self, tokens: int) -> None:
        self.tokens.append(tokens)


def test_a_watcher_hears_of_phases_and_of_the_tokens_of_texts(open_server: Callable[..., ServerBackend]) -> None:
    """Twice with one backend: it scores again after it has generated."""
    heard = Heard()
    requests = [*questions(), *generation()]
    with served(Stub()) as url:
        backend = open_server(url)
        answers = [answer for _ in range(2) for answer in backend.answer(requests, heard)]
    assert heard.phases == ["loading", "scoring", "generating", "scoring", "generating"]
    assert sum(heard.tokens) == sum(answer.usage.generated for answer in answers) == 2 * 6
    assert len(answers) == 2 * len(requests)


def test_how_weights_are_stored_is_stated_and_not_seen(open_server: Callable[..., ServerBackend]) -> None:
    """Also where nothing is said of it, and no promise can be checked."""
    with served(Stub()) as url:
        backend = open_server(url)
        backend._checkpoint = replace(backend._checkpoint, promise=Promise("fp8", Quantization.fp8))
        assert backend.fingerprint["quantization"] == "stated, not seen"
        assert len(list(backend.answer(generation()))) == 1
