"""A completions endpoint over arithmetic, on a port of its own, and requests to it whose right answers are known."""

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
from aiohttp import web

from gemma_eval.backends.server import ServerBackend
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.settings import Dtype, ServerConfig
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, Prompt, ScoreResponse

VOCABULARY = 2000
KEY_VARIABLE = "TEST_KEY"
TEXT = " and so on"
SMALL = [2, 1000, 1001, 1002, 1003]  # the prompt with which a server is tried out

Reply = dict[str, Any]


def logprob(before: list[int], token: int) -> float:
    return -1 - ((sum(before) * 31 + token * 7) % 97) / 10


def right_reply(body: dict[str, Any], *, next_tokens: bool = True, echo: bool = True) -> Reply:
    """The reply of a server that does as it is told. It knows `logprob_token_ids` or `echo` only if these say so."""
    prompt: list[int] = body["prompt"]
    choice: dict[str, Any] = {"text": TEXT, "finish_reason": "stop", "logprobs": None}
    if body.get("logprob_token_ids") and next_tokens:
        likeliest = 9
        listed = {f"token_id:{t}": logprob(prompt, t) for t in [*body["logprob_token_ids"], likeliest]}
        choice["logprobs"] = {"top_logprobs": [listed]}
        if "prompt_logprobs" in body:
            choice["prompt_logprobs"] = [None] + [
                {str(prompt[i]): {"logprob": logprob(prompt[:i], prompt[i])}, "9": {"logprob": logprob(prompt[:i], 9)}}
                for i in range(1, len(prompt))
            ]
    elif body.get("echo") and echo:
        values = [None, *(logprob(prompt[:i], prompt[i]) for i in range(1, len(prompt)))]
        tops = [None, *({"x": max(logprob(prompt[:i], prompt[i]), logprob(prompt[:i], 9))} for i in range(1, len(prompt)))]
        choice["logprobs"] = {"token_logprobs": values, "top_logprobs": tops}
    return {"choices": [choice], "usage": {"prompt_tokens": len(prompt), "completion_tokens": 3}}


class Stub:
    """`busy`: how many times each request is turned away first. `change`: another reply to a request, from its body and the right reply.

    `models`, `version`: the replies to these. A reply is JSON, or a response that is sent as it is.
    """

    def __init__(
        self,
        *,
        next_tokens: bool = True,
        echo: bool = True,
        busy: int = 0,
        change: Callable[[dict[str, Any], Reply], Any] = lambda body, reply: reply,
        models: Any = None,
        version: Any = None,
    ) -> None:
        self.next_tokens, self.echo, self.busy, self.change = next_tokens, echo, busy, change
        self.models_reply = {"data": [{"id": "gemma"}]} if models is None else models
        self.version_reply = sent(404) if version is None else version
        self.seen: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.at_once = self.most_at_once = 0
        self.keys: set[str | None] = set()
        self.paths: Counter[str] = Counter()

    async def models(self, request: web.Request) -> web.Response:
        return _response(self.models_reply)

    async def version(self, request: web.Request) -> web.Response:
        return _response(self.version_reply)

    async def completions(self, request: web.Request) -> web.Response:
        self.keys.add(request.headers.get("Authorization"))
        self.paths[request.path_qs] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0.002)
            body = await request.json()
            self.bodies.append(body)
            name = str(sorted(body.items()))
            self.seen[name] += 1
            if self.seen[name] <= self.busy:
                return web.Response(status=503, text="loading")
            return _response(self.change(body, right_reply(body, next_tokens=self.next_tokens, echo=self.echo)))
        finally:
            self.at_once -= 1


def _response(reply: Any) -> web.Response:
    return web.Response(**reply()) if callable(reply) else web.json_response(reply)


def sent(status: int = 200, body: str | bytes = "", **headers: str) -> Callable[[], dict[str, Any]]:
    """A response that is sent as it is."""
    content = body if isinstance(body, bytes) else body.encode()
    return lambda: {"status": status, "body": content, "headers": {name.replace("_", "-"): value for name, value in headers.items()}}


@contextmanager
def served(stub: Stub) -> Iterator[str]:
    """The stub on a port of its own: the address of its API."""
    loop, port = asyncio.new_event_loop(), queue.SimpleQueue[int]()
    stopped = asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        app.add_routes([web.get("/v1/models", stub.models), web.get("/version", stub.version)])
        app.add_routes([web.post("/v1/completions", stub.completions)])
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
    bos_token, bos_token_id, eos_token_id = "<bos>", 2, 1

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [self.bos_token_id] * add_special_tokens + [7] * len(text.split())}

    def __len__(self) -> int:
        return VOCABULARY

    def decode(self, ids: list[int]) -> str:
        return " ".join(map(str, ids))


def opened(url: str, **settings: Any) -> ServerBackend:
    """A backend for the server at this address."""
    config = replace(ServerConfig(dtype=Dtype.float32, url=url, key_variable=KEY_VARIABLE), **settings)
    backend = ServerBackend(config, Checkpoint(Path("x"), {"path": "x"}, 4096))
    backend.__dict__["tokenizer"] = FakeTokenizer()
    return backend


def questions() -> list[Encoded]:
    made: list[Encoded] = []
    for n in range(6):
        context = [2, 100 + n, 50, 60]
        choices = [[10], [11]] if n % 2 else [[10, 20, 30], [10, 21], [12, 9, 9, 9]]
        sequences = tuple(np.array(context + choice, dtype=np.int32) for choice in choices)
        made.append(EncodedScore(sequences, (len(context),) * len(choices)))
    return made


def right_score(request: Encoded) -> ScoreResponse:
    """What the stub's log-probabilities add up to."""
    assert isinstance(request, EncodedScore)
    parts = []
    for sequence, start in zip(request.sequences, request.starts, strict=True):
        ids = sequence.tolist()
        parts.append([(logprob(ids[:i], ids[i]), logprob(ids[:i], 9)) for i in range(start, len(ids))])
    return ScoreResponse(
        tuple(sum(value for value, _ in part) for part in parts),
        tuple(map(len, parts)),
        tuple(all(value >= top for value, top in part) for part in parts),
    )


def texts(count: int = 6, *, stop: tuple[str, ...] = ("\n",), max_tokens: int = 8, samples: int = 1) -> list[Encoded]:
    """Requests for texts; the second token of each prompt is its number."""
    return [
        EncodedGenerate(np.array([2, n, 6], dtype=np.int32), Generate(Prompt(("",)), stop=stop, max_tokens=max_tokens, samples=samples))
        for n in range(count)
    ]
