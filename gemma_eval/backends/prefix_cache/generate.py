"""Texts: each sample of a request is an engine request of its own, with a seed of its own."""

from __future__ import annotations

from typing import Any

from gemma_eval.backends.base import Answer
from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest, GenerateRequest, with_notes
from gemma_eval.backends.stopping import before_stop
from gemma_eval.types import EncodedGenerate, Finish, GenerateResponse, Usage


class GenerateJob:
    """One generation request. The engine stops soon after a stop string; where the text ends exactly is decided here, on the text."""

    def __init__(self, index: int, request: EncodedGenerate, tokenizer: Any) -> None:
        self.index = index
        self._request = request
        self._tokenizer = tokenizer
        self._texts: dict[int, tuple[str, Finish, int]] = {}
        self._computed = 0
        self._notes: set[str] = set()

    def requests(self) -> list[EngineRequest]:
        """A request for each sample."""
        settings = self._request.request
        return [GenerateRequest(self._request.prompt, settings, sample, self._request.images) for sample in range(settings.samples)]

    def take(self, request: EngineRequest, reply: EngineReply) -> list[EngineRequest]:
        """Note the text of a sample. Nothing further has to be asked."""
        assert isinstance(request, GenerateRequest)
        self._texts[request.sample] = self._finished(reply)
        self._computed += len(request.prompt) - reply.cached
        self._notes |= reply.notes
        return []

    def answer(self) -> Answer | None:
        """The texts of all samples; None while one is due."""
        samples = self._request.request.samples
        if len(self._texts) < samples:
            return None
        texts, finish, tokens = zip(*(self._texts[sample] for sample in range(samples)), strict=True)
        generated = sum(tokens)
        usage = Usage(len(self._request.prompt) * samples + generated, self._computed + generated, generated)
        return Answer(self.index, GenerateResponse(texts, finish, tokens), usage, with_notes("generate", self._notes))

    def _finished(self, reply: EngineReply) -> tuple[str, Finish, int]:
        """The text before the stop string, why it ended, and its tokens. An engine that knows stop strings may yet leave one in."""
        if reply.completion:
            text, finish = reply.completion.text, reply.completion.finish
        else:
            text = self._tokenizer.decode(list(reply.tokens), skip_special_tokens=True)
            finish = "eos" if reply.ended else "length"
        stopped = before_stop(text, self._request.request.stop)
        return (text, finish, reply.generated) if stopped is None else (stopped, "stop", reply.generated)
