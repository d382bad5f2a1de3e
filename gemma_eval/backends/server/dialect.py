"""How a server is asked, and how its replies are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from gemma_eval.backends.prefix_cache.messages import (
    Completion,
    EngineReply,
    EngineRequest,
    GenerateRequest,
    NoAnswerError,
    Scored,
    ScoreRequest,
)
from gemma_eval.backends.prefix_cache.score import ScoringMode
from gemma_eval.backends.server import replies
from gemma_eval.backends.server.stops import StopLimit
from gemma_eval.types import Finish

UNCOUNTED = "prompt tokens not counted by the server"


class OtherPromptError(NoAnswerError):
    """The server has read another prompt than was sent."""


@dataclass(frozen=True)
class Dialect:
    """The completions interface, as far as every server has it: texts.

    `model`: the server's name for it. `count`: the tokens of a text, for a server that does not count them. `neutral`: parameters that
    switch off what the server would do to the model's own distribution. `notes`: what is out of the ordinary in all replies.
    `stop_limit`: which stop strings it takes. `decode`: the text of a prompt, by which those that are sent are chosen.
    """

    model: str
    count: Callable[[str], int]
    neutral: Mapping[str, float] = field(default_factory=dict)
    notes: frozenset[str] = frozenset()
    stop_limit: StopLimit = StopLimit()
    decode: Callable[[list[int]], str] = lambda ids: ""

    def payload(self, request: EngineRequest) -> dict[str, Any]:
        """The body of a POST to /completions."""
        assert isinstance(request, GenerateRequest), "this dialect cannot score"
        settings = request.settings
        body = self._body(request, settings.max_tokens) | dict(self.neutral) | {"temperature": settings.temperature}
        if stop := self._sent_stop(request):
            body["stop"] = stop
        if settings.temperature > 0:
            body["seed"] = settings.seed * 1_000_003 + request.sample
        return body

    def reply(self, request: EngineRequest, found: Any) -> EngineReply:
        """Read a response's JSON. Raises `NoAnswerError` if it holds no answer, `OtherPromptError` if the server read another prompt."""
        assert isinstance(request, GenerateRequest)
        completion = self._completion(request, found)
        (choice,) = completion.choices
        tokens = completion.usage.completion_tokens
        if tokens is None:  # the text alone may be encoded otherwise than it was generated
            tokens = min(self.count(choice.text), request.settings.max_tokens)
        sent, wanted = len(self._sent_stop(request)), len(request.settings.stop)
        notes = self._notes(completion) | ({f"{sent} of {wanted} stop strings sent"} if sent < wanted else set())
        text = Completion(choice.text, _finish(choice, stoppable=sent > 0), tokens)
        return EngineReply(_cached(request, completion), completion=text, notes=notes)

    def _sent_stop(self, request: GenerateRequest) -> list[str]:
        return self.stop_limit.to_send(request.settings.stop, lambda: self.decode(request.prompt.tolist()))

    def _body(self, request: EngineRequest, max_tokens: int) -> dict[str, Any]:
        return {"model": self.model, "prompt": request.prompt.tolist(), "max_tokens": max_tokens, "temperature": 0.0}

    def _completion(self, request: EngineRequest, found: Any) -> replies.Completion:
        completion = replies.read(replies.Completion, found)
        sent, counted = len(request.prompt), completion.usage.prompt_tokens
        if counted not in (None, sent):
            raise OtherPromptError(
                f"the server read {counted} tokens where {sent} were sent: it takes no token ids, cuts prompts, or adds a second BOS"
            )
        return completion

    def _notes(self, completion: replies.Completion) -> frozenset[str]:
        return self.notes | ({UNCOUNTED} if completion.usage.prompt_tokens is None else set())


class ScoringDialect(Dialect):
    """A dialect with log-probabilities. `mode`: how it is asked for them."""

    mode: ClassVar[ScoringMode]

    def settled(self, found: Any) -> ScoringDialect:
        """The dialect as the server speaks it, from the JSON of a reply that `reply` has read."""
        return self


class NextTokens(ScoringDialect):
    """vLLM's: `logprob_token_ids` for the next token, `prompt_logprobs` for the prompt's own."""

    mode = ScoringMode(rows_through_cache=False)

    def payload(self, request: EngineRequest) -> dict[str, Any]:
        """The body of an HTTP request."""
        assert isinstance(request, ScoreRequest)
        body = self._body(request, 1) | {"logprobs": 1, "logprob_token_ids": list(request.ids), "return_tokens_as_token_ids": True}
        return body | ({"prompt_logprobs": 1} if request.rows_from is not None else {})

    def reply(self, request: EngineRequest, found: Any) -> EngineReply:
        """The engine's reply, from the JSON of the server's. Raises as `Dialect.reply`."""
        assert isinstance(request, ScoreRequest)
        completion = self._completion(request, found)
        (choice,) = completion.choices
        listed = ((choice.logprobs and choice.logprobs.top_logprobs) or [None])[0] or {}
        candidates = {name.removeprefix("token_id:"): value for name, value in listed.items() if name.startswith("token_id:")}
        top = max(candidates.values(), default=math.nan)
        following = {token: Scored(value, value >= top) for token in request.ids if (value := candidates.get(str(token))) is not None}
        cached = _cached(request, completion)
        return EngineReply(cached, following, dict(self._rows(request, choice, cached)), notes=self._notes(completion))

    def _rows(self, request: ScoreRequest, choice: replies.Choice, cached: int) -> Iterator[tuple[int, Scored]]:
        listed = choice.prompt_logprobs
        if request.rows_from is None or listed is None or len(listed) != len(request.prompt):
            return
        for position in range(max(request.rows_from, cached + 1), len(request.prompt)):
            entry = listed[position] or {}
            if scored := entry.get(str(int(request.prompt[position]))):
                yield position, Scored(scored.logprob, scored.logprob >= max(other.logprob for other in entry.values()))


@dataclass(frozen=True)
class Echo(ScoringDialect):
    """OpenAI's older one: `echo` with `logprobs` gives the log-probabilities of the prompt's own tokens.

    The first token has none. `null_first`: whether the server says so. Where it always does, a reply that does not is out of step.
    """

    null_first: bool = False

    mode = ScoringMode(share=False, ids_per_request=0)

    def payload(self, request: EngineRequest) -> dict[str, Any]:
        """The body of an HTTP request."""
        return self._body(request, 1) | {"logprobs": 1, "echo": True}

    def reply(self, request: EngineRequest, found: Any) -> EngineReply:
        """The engine's reply, from the JSON of the server's. Raises as `Dialect.reply`."""
        assert isinstance(request, ScoreRequest) and request.rows_from is not None
        completion = self._completion(request, found)
        listed = completion.choices[0].logprobs or replies.Logprobs()
        values, tops = listed.token_logprobs or [], listed.top_logprobs or []
        rows: dict[int, Scored] = {}
        in_step = len(values) in (len(request.prompt), len(request.prompt) + 1) and len(tops) == len(values)  # else echo was ignored
        if in_step and (values[0] is None or not self.null_first):
            for position in range(request.rows_from, len(request.prompt)):
                value, top = values[position], tops[position]
                if value is not None and top:
                    rows[position] = Scored(value, value >= max(top.values()))
        return EngineReply(_cached(request, completion), rows=rows, notes=self._notes(completion))

    def settled(self, found: Any) -> Echo:
        """See `ScoringDialect`."""
        (choice,) = replies.read(replies.Completion, found).choices
        values = (choice.logprobs and choice.logprobs.token_logprobs) or [0.0]
        return replace(self, null_first=values[0] is None)


def _cached(request: EngineRequest, completion: replies.Completion) -> int:
    return min(completion.usage.prompt_tokens_details.cached_tokens or 0, len(request.prompt))


def _finish(choice: replies.Choice, stoppable: bool) -> Finish:
    if choice.finish_reason == "length":
        return "length"
    if "stop_reason" in choice.model_fields_set:  # vLLM's: the stop string
        return "stop" if isinstance(choice.stop_reason, str) else "eos"
    return "stop" if stoppable else "eos"
