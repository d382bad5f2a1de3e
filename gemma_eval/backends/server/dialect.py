"""How a server tells log-probabilities of given tokens, which is tried out: some servers ignore parameters that they do not know."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gemma_eval.backends.prefix_cache.messages import Completion, EngineReply, EngineRequest, GenerateRequest, Scored, ScoreRequest
from gemma_eval.backends.prefix_cache.score import ScoringMode
from gemma_eval.backends.server.client import Client
from gemma_eval.errors import RunError
from gemma_eval.types import Finish, TokenIds

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dialect:
    """The completions interface, as far as every server has it: texts. `model`: the server's name for it."""

    model: str

    def payload(self, request: EngineRequest) -> dict[str, Any]:
        """The body of a POST to /completions."""
        assert isinstance(request, GenerateRequest), "this dialect cannot score"
        settings = request.settings
        body = {
            "model": self.model,
            "prompt": request.prompt.tolist(),
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
            "stop": list(settings.stop) or None,
        }
        return body | ({"seed": settings.seed * 1_000_003 + request.sample} if settings.temperature > 0 else {})

    def reply(self, request: EngineRequest, found: dict[str, Any]) -> EngineReply:
        """The response as a reply. Raises `RunError` if the server has read another prompt, most likely with a second BOS."""
        assert isinstance(request, GenerateRequest)
        choice, cached = _choice(request.prompt, found)
        count = int((found.get("usage") or {}).get("completion_tokens") or 0)
        return EngineReply(cached, completion=Completion(choice["text"], _finish(choice, request), count))


class ScoringDialect(Dialect):
    """A dialect with log-probabilities. `mode`: how it is asked for them."""

    mode: ClassVar[ScoringMode]


class NextTokens(ScoringDialect):
    """vLLM's: `logprob_token_ids` for the next token, `prompt_logprobs` for the prompt's own."""

    mode = ScoringMode(rows_through_cache=False)

    def payload(self, request: EngineRequest) -> dict[str, Any]:
        """The body of an HTTP request."""
        if isinstance(request, GenerateRequest):
            return super().payload(request)
        body = {"model": self.model, "prompt": request.prompt.tolist(), "max_tokens": 1, "temperature": 0.0, "logprobs": 1}
        body |= {"logprob_token_ids": list(request.ids), "return_tokens_as_token_ids": True}
        return body | ({"prompt_logprobs": 1} if request.rows_from is not None else {})

    def reply(self, request: EngineRequest, found: dict[str, Any]) -> EngineReply:
        """The engine's reply, from the JSON body of the server's."""
        if isinstance(request, GenerateRequest):
            return super().reply(request, found)
        choice, cached = _choice(request.prompt, found)
        listed = (choice.get("logprobs") or {}).get("top_logprobs") or [{}]
        candidates = {int(name.removeprefix("token_id:")): value for name, value in listed[0].items() if name.startswith("token_id:")}
        top = max(candidates.values(), default=math.nan)
        following = {token: Scored(candidates[token], candidates[token] >= top) for token in request.ids if token in candidates}
        return EngineReply(cached, following, dict(self._rows(request, choice.get("prompt_logprobs"), cached)))

    def _rows(self, request: ScoreRequest, listed: list[dict[str, Any] | None] | None, cached: int) -> Iterator[tuple[int, Scored]]:
        if request.rows_from is None or listed is None or len(listed) != len(request.prompt):
            return
        for position in range(max(request.rows_from, cached + 1), len(request.prompt)):
            entry = listed[position] or {}
            if scored := entry.get(str(int(request.prompt[position]))):
                yield position, Scored(scored["logprob"], scored["logprob"] >= max(other["logprob"] for other in entry.values()))


class Echo(ScoringDialect):
    """OpenAI's older one: `echo` with `logprobs` gives the log-probabilities of the prompt's own tokens."""

    mode = ScoringMode(share=False, ids_per_request=0)

    def payload(self, request: EngineRequest) -> dict[str, Any]:
        """The body of an HTTP request."""
        if isinstance(request, GenerateRequest):
            return super().payload(request)
        return {"model": self.model, "prompt": request.prompt.tolist(), "max_tokens": 1, "temperature": 0.0, "logprobs": 1, "echo": True}

    def reply(self, request: EngineRequest, found: dict[str, Any]) -> EngineReply:
        """The engine's reply, from the JSON body of the server's."""
        if isinstance(request, GenerateRequest):
            return super().reply(request, found)
        choice, cached = _choice(request.prompt, found)
        listed = choice.get("logprobs") or {}
        values, tops = listed.get("token_logprobs") or [], listed.get("top_logprobs") or []
        if len(values) not in (len(request.prompt), len(request.prompt) + 1) or len(tops) != len(values):
            return EngineReply(cached)  # echo was ignored
        assert request.rows_from is not None
        rows = {
            position: Scored(values[position], values[position] >= max((tops[position] or {}).values(), default=math.inf))
            for position in range(request.rows_from, len(request.prompt))
            if values[position] is not None
        }
        return EngineReply(cached, rows=rows)


def scoring_dialect(client: Client, model: str, bos: list[int]) -> ScoringDialect | None:
    """The first dialect in which this server tells log-probabilities of a few tokens; None if it tells none.

    `model`: the server's name for it. `bos`: the ids that begin a prompt.
    """
    prompt = np.array([*bos, 1000, 1001, 1002, 1003], dtype=np.int32)
    trials: list[tuple[ScoringDialect, ScoreRequest]] = [
        (NextTokens(model), ScoreRequest(prompt, (1004, 1005), rows_from=len(prompt) - 2)),
        (Echo(model), ScoreRequest(prompt, (), rows_from=len(prompt) - 2)),
    ]
    for dialect, request in trials:
        try:
            reply = dialect.reply(request, client.request("POST", "/completions", dialect.payload(request)))
        except RunError as error:
            log.info("%s: %s", type(dialect).__name__, error)
            continue
        if set(reply.next) == set(request.ids) and len(reply.rows) == 2 and all(map(_likely, [*reply.next.values(), *reply.rows.values()])):
            return dialect
    return None


def _likely(scored: Scored) -> bool:
    return math.isfinite(scored.logprob) and scored.logprob <= 0


def _choice(prompt: TokenIds, found: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The one choice of a response, and how many tokens of the prompt came from a cache."""
    usage = found.get("usage") or {}
    read = usage.get("prompt_tokens")
    if read is not None and read != len(prompt):
        raise RunError(f"the server read {read} tokens where {len(prompt)} were sent: it does not take token ids, or adds a second BOS")
    (choice,) = found["choices"]
    return choice, int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)


def _finish(choice: dict[str, Any], request: GenerateRequest) -> Finish:
    if choice["finish_reason"] == "length":
        return "length"
    if "stop_reason" in choice:  # vLLM's: the stop string
        return "stop" if isinstance(choice["stop_reason"], str) else "eos"
    return "stop" if request.settings.stop else "eos"
