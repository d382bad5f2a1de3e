"""How a server tells log-probabilities of given tokens. Found out by asking: some servers ignore what they do not know."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gemma_eval.backends.prefix_cache.messages import Ask, GenerateAsk, Reply, ScoreAsk, Scored, Text
from gemma_eval.backends.prefix_cache.score import Way
from gemma_eval.backends.server.client import Client
from gemma_eval.errors import RunError
from gemma_eval.types import Finish, TokenIds

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dialect:
    """The completions interface. `model`: the server's name for it."""

    model: str

    def payload(self, ask: Ask) -> dict[str, Any]:
        assert isinstance(ask, GenerateAsk), "this dialect cannot score"
        settings = ask.settings
        body = {
            "model": self.model,
            "prompt": ask.prompt.tolist(),
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
            "stop": list(settings.stop) or None,
        }
        return body | ({"seed": settings.seed * 1_000_003 + ask.sample} if settings.temperature > 0 else {})

    def reply(self, ask: Ask, found: dict[str, Any]) -> Reply:
        """Raises `RunError` where the server has read another prompt: a second BOS is the commonest reason."""
        assert isinstance(ask, GenerateAsk)
        choice, cached = _choice(ask.prompt, found)
        count = int((found.get("usage") or {}).get("completion_tokens") or 0)
        return Reply(cached, text=Text(choice["text"], _finish(choice, ask), count))


class NextTokens(Dialect):
    """vLLM's: `logprob_token_ids` for the next token, `prompt_logprobs` for the prompt's own."""

    way = Way(rows_through_cache=False)

    def payload(self, ask: Ask) -> dict[str, Any]:
        if isinstance(ask, GenerateAsk):
            return super().payload(ask)
        body = {"model": self.model, "prompt": ask.prompt.tolist(), "max_tokens": 1, "temperature": 0.0, "logprobs": 1}
        body |= {"logprob_token_ids": list(ask.ids), "return_tokens_as_token_ids": True}
        return body | ({"prompt_logprobs": 1} if ask.rows_from is not None else {})

    def reply(self, ask: Ask, found: dict[str, Any]) -> Reply:
        if isinstance(ask, GenerateAsk):
            return super().reply(ask, found)
        choice, cached = _choice(ask.prompt, found)
        listed = (choice.get("logprobs") or {}).get("top_logprobs") or [{}]
        candidates = {int(name.removeprefix("token_id:")): value for name, value in listed[0].items() if name.startswith("token_id:")}
        top = max(candidates.values(), default=math.nan)
        following = {token: Scored(candidates[token], candidates[token] >= top) for token in ask.ids if token in candidates}
        return Reply(cached, following, dict(self._rows(ask, choice.get("prompt_logprobs"), cached)))

    def _rows(self, ask: ScoreAsk, listed: list[dict[str, Any] | None] | None, cached: int) -> Iterator[tuple[int, Scored]]:
        if ask.rows_from is None or listed is None or len(listed) != len(ask.prompt):
            return
        for position in range(max(ask.rows_from, cached + 1), len(ask.prompt)):
            entry = listed[position] or {}
            if scored := entry.get(str(int(ask.prompt[position]))):
                yield position, Scored(scored["logprob"], scored["logprob"] >= max(other["logprob"] for other in entry.values()))


class Echo(Dialect):
    """OpenAI's older one: `echo` with `logprobs` gives the log-probabilities of the prompt's own tokens, from the first on."""

    way = Way(share=False, ids_per_ask=0)

    def payload(self, ask: Ask) -> dict[str, Any]:
        if isinstance(ask, GenerateAsk):
            return super().payload(ask)
        return {"model": self.model, "prompt": ask.prompt.tolist(), "max_tokens": 1, "temperature": 0.0, "logprobs": 1, "echo": True}

    def reply(self, ask: Ask, found: dict[str, Any]) -> Reply:
        if isinstance(ask, GenerateAsk):
            return super().reply(ask, found)
        choice, cached = _choice(ask.prompt, found)
        listed = choice.get("logprobs") or {}
        values, tops = listed.get("token_logprobs") or [], listed.get("top_logprobs") or []
        if len(values) not in (len(ask.prompt), len(ask.prompt) + 1) or len(tops) != len(values):
            return Reply(cached)  # echo was ignored
        assert ask.rows_from is not None
        rows = {
            position: Scored(values[position], values[position] >= max((tops[position] or {}).values(), default=math.inf))
            for position in range(ask.rows_from, len(ask.prompt))
            if values[position] is not None
        }
        return Reply(cached, rows=rows)


def scoring_dialect(client: Client, model: str, bos: list[int]) -> NextTokens | Echo | None:
    """The best dialect in which this server tells log-probabilities, tried on a few tokens; None if it tells none."""
    prompt = np.array([*bos, 1000, 1001, 1002, 1003], dtype=np.int32)
    trials: list[tuple[NextTokens | Echo, ScoreAsk]] = [
        (NextTokens(model), ScoreAsk(prompt, (1004, 1005), rows_from=len(prompt) - 2)),
        (Echo(model), ScoreAsk(prompt, (), rows_from=len(prompt) - 2)),
    ]
    for dialect, ask in trials:
        try:
            reply = dialect.reply(ask, client.request("POST", "/completions", dialect.payload(ask)))
        except RunError as error:
            log.info("%s: %s", type(dialect).__name__, error)
            continue
        if set(reply.next) == set(ask.ids) and len(reply.rows) == 2 and all(map(_likely, [*reply.next.values(), *reply.rows.values()])):
            return dialect
    return None


def _likely(scored: Scored) -> bool:
    return math.isfinite(scored.logprob) and scored.logprob <= 0


def _choice(prompt: TokenIds, found: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The one choice, and how many tokens of the prompt came from a cache."""
    usage = found.get("usage") or {}
    read = usage.get("prompt_tokens")
    if read is not None and read != len(prompt):
        raise RunError(f"the server read {read} tokens where {len(prompt)} were sent: it does not take token ids, or adds a second BOS")
    (choice,) = found["choices"]
    return choice, int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)


def _finish(choice: dict[str, Any], ask: GenerateAsk) -> Finish:
    if choice["finish_reason"] == "length":
        return "length"
    if "stop_reason" in choice:  # vLLM's: the stop string
        return "stop" if isinstance(choice["stop_reason"], str) else "eos"
    return "stop" if ask.settings.stop else "eos"
