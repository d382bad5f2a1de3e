"""Texts: each sample of a request is a request of its own to the engine, with a seed of its own."""

from __future__ import annotations

from typing import Any

from gemma_eval.backends.base import Answer
from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest, GenerateRequest
from gemma_eval.backends.stopping import before_stop
from gemma_eval.types import EncodedGenerate, Finish, GenerateResponse, Usage


class GenerateJob:
    """One generation request. The engine ends a text early at a stop string; where it ends exactly is decided here, on the text."""

    def __init__(self, index: int, request: EncodedGenerate, tokenizer: Any, ends: set[int]) -> None:
        self.index = index
        self._request = request
        self._tokenizer = tokenizer
        self._ends = ends
        self._texts: dict[int, tuple[str, Finish, int]] = {}
        self._computed = 0

    def requests(self) -> list[EngineRequest]:
        settings = self._request.request
        return [GenerateRequest(self._request.prompt, settings, sample, self._request.images) for sample in range(settings.samples)]

    def take(self, request: EngineRequest, reply: EngineReply) -> list[EngineRequest]:
        assert isinstance(request, GenerateRequest)
        self._texts[request.sample] = self._finished(reply)
        self._computed += len(request.prompt) - reply.cached
        return []

    def answer(self) -> Answer | None:
        samples = self._request.request.samples
        if len(self._texts) < samples:
            return None
        texts, finish, tokens = zip(*(self._texts[sample] for sample in range(samples)), strict=True)
        generated = sum(tokens)
        usage = Usage(len(self._request.prompt) * samples + generated, self._computed + generated, generated)
        return Answer(self.index, GenerateResponse(texts, finish, tokens), usage, "generate")

    def _finished(self, reply: EngineReply) -> tuple[str, Finish, int]:
        """Text before the stop string, why it ended, and tokens (an end token is not one of them)."""
        if reply.text is not None:
            return reply.text.text, reply.text.finish, reply.text.tokens
        tokens = list(reply.tokens)
        ended = bool(tokens) and tokens[-1] in self._ends
        if ended:
            tokens.pop()
        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
        stopped = before_stop(text, self._request.request.stop)
        if stopped is not None:
            return stopped, "stop", len(tokens)
        return text, "eos" if ended else "length", len(tokens)
