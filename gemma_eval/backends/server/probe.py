"""What a server can do is tried out with small requests, since some servers ignore parameters that they do not know.

A server that does not answer these would answer nothing, so the run ends before anything else is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest, GenerateRequest, NoAnswerError, ScoreRequest
from gemma_eval.backends.server.client import AwayError, Client
from gemma_eval.backends.server.dialect import UNCOUNTED, Dialect, Echo, NextTokens, OtherPromptError, ScoringDialect
from gemma_eval.backends.server.stops import StopLimit, find_limit
from gemma_eval.errors import ConfigError, RunError
from gemma_eval.types import Generate, Prompt, TokenIds

log = logging.getLogger(__name__)

# Values that leave the model's own distribution as it is. Servers have defaults of their own, or take them from a generation_config.json.
NEUTRAL: Mapping[str, float] = {
    "top_p": 1.0,
    "top_k": -1,
    "min_p": 0.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.0,
    "repeat_penalty": 1.0,  # llama.cpp's name
}


class Probe:
    """Small requests to one server. `bos`: the ids that begin a prompt. `plain`: the dialect of a server of which nothing is known."""

    def __init__(self, client: Client, plain: Dialect, bos: list[int]) -> None:
        self._client = client
        self._plain = plain
        self._prompt: TokenIds = np.array([*bos, 1000, 1001, 1002, 1003], dtype=np.int32)
        self._stop_limits: dict[tuple[str, ...], StopLimit] = {}
        self.text = self._text(stop=())

    def contact(self) -> None:
        """Ask for a text of one token. Raises `RunError` if the server does not give one, or has read another prompt."""
        try:
            reply = self._ask(self._plain, self.text)
        except NoAnswerError as error:
            raise RunError(f"backend.url: the server does not answer a prompt of {len(self._prompt)} tokens: {error}") from error
        if UNCOUNTED in reply.notes:
            log.warning("backend=server: the server does not say how many tokens it reads, so a second BOS would not be noticed")

    def text_dialect(self) -> Dialect:
        """The plain dialect, with those neutral parameters that the server takes."""
        taken = NEUTRAL if self._neutral(NEUTRAL) else {name: value for name, value in NEUTRAL.items() if self._neutral({name: value})}
        if not (refused := [name for name in NEUTRAL if name not in taken]):
            return replace(self._plain, neutral=taken)
        log.warning("backend=server: the server refuses %s, so its own defaults decide", ", ".join(refused))
        return replace(self._plain, neutral=taken, notes=frozenset({f"the server's own {', '.join(refused)}"}))

    def stop_limit(self, strings: Sequence[str]) -> StopLimit:
        """Which of these stop strings the server takes, and how many in a request. Tried out once."""
        key = tuple(strings)
        if key not in self._stop_limits:
            limit = self._stop_limits[key] = find_limit(key, lambda some: self._takes(self._plain, self._text(tuple(some))))
            if str(limit):
                log.warning("backend=server: the server limits stop strings (%s), so texts are cut here and may cost more tokens", limit)
        return self._stop_limits[key]

    def scoring_dialect(self) -> ScoringDialect:
        """The first dialect in which the server tells log-probabilities of a few tokens.

        Raises `ConfigError` if it tells none, and `RunError` if it has read another prompt.
        """
        model, count, rows_from = self._plain.model, self._plain.count, len(self._prompt) - 2
        trials: list[tuple[str, ScoringDialect, ScoreRequest]] = [
            ("logprob_token_ids", NextTokens(model, count), ScoreRequest(self._prompt, (1004, 1005), rows_from)),
            ("echo", Echo(model, count), ScoreRequest(self._prompt, (), rows_from)),
        ]
        failed = []
        for name, dialect, request in trials:
            try:
                found = self._post(dialect, request)
                reply = dialect.reply(request, found)
            except OtherPromptError as error:
                raise RunError(f"backend.url: {error}") from error
            except NoAnswerError as error:
                failed.append(f"{name}: {error}")
                continue
            if set(reply.next) == set(request.ids) and len(reply.rows) == 2:
                return dialect.settled(found)
            failed.append(f"{name}: ignored")
        raise ConfigError(
            f"backend.url: this server does not return log-probabilities of given tokens ({'; '.join(failed)}), so it can "
            "only answer tasks that generate; score with backend=vllm or transformers"
        )

    def _text(self, stop: tuple[str, ...]) -> GenerateRequest:
        return GenerateRequest(self._prompt, Generate(Prompt(()), stop=stop, max_tokens=1), sample=0)

    def _neutral(self, parameters: Mapping[str, float]) -> bool:
        return self._takes(replace(self._plain, neutral=parameters), self.text)

    def _takes(self, dialect: Dialect, request: GenerateRequest) -> bool:
        """Whether the server answers. If it fails twice, and answers another request in between, it does not take this one."""
        for _ in range(2):
            try:
                self._ask(dialect, request, attempts=3)
                return True
            except NoAnswerError as error:
                log.debug("%s, %s: %s", dict(dialect.neutral), request.settings.stop, error)
                return False
            except AwayError:
                self.contact()
        return False

    def _ask(self, dialect: Dialect, request: EngineRequest, attempts: int | None = None) -> EngineReply:
        return dialect.reply(request, self._post(dialect, request, attempts))

    def _post(self, dialect: Dialect, request: EngineRequest, attempts: int | None = None) -> Any:
        return self._client.request("POST", "/completions", dialect.payload(request), attempts=attempts)
