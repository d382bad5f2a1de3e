"""What an engine is asked and what it replies, in plain values, so that jobs can be tested without an engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gemma_eval.backends.base import Answer
from gemma_eval.errors import GemmaEvalError
from gemma_eval.types import Finish, Generate, ImageSpan, TokenIds


class NoAnswerError(GemmaEvalError):
    """The engine has no answer to one request: it refuses the request, or replies something that cannot be. Others are not affected."""


@dataclass(frozen=True)
class ScoreRequest:
    """One forward of `prompt` [tokens]: how likely is each of `ids` as the next token?

    `rows_from`: how likely are the prompt's own tokens too, from this position on? `fresh`: read nothing from the prefix cache.
    """

    prompt: TokenIds
    ids: tuple[int, ...]
    rows_from: int | None = None
    fresh: bool = False
    images: tuple[ImageSpan, ...] = ()


@dataclass(frozen=True)
class GenerateRequest:
    """One text after `prompt` [tokens]: sample number `sample` of `settings`."""

    prompt: TokenIds
    settings: Generate
    sample: int
    images: tuple[ImageSpan, ...] = ()


EngineRequest = ScoreRequest | GenerateRequest


@dataclass(frozen=True)
class Scored:
    """Log-probability of a token (nats), and whether no token is likelier."""

    logprob: float
    greedy: bool


@dataclass(frozen=True)
class Completion:
    """A text that the engine itself ended before its stop string. `tokens`: how many were generated."""

    text: str
    finish: Finish
    tokens: int


@dataclass(frozen=True)
class EngineReply:
    """What an engine replies to one request. `cached`: tokens of the prompt that it did not compute.

    Of a `ScoreRequest`, `next` has the candidates by id, and `rows` the prompt's own tokens by position. The cache holds no logits, so only
    rows that the engine computed are there. Of a `GenerateRequest`, `tokens` are the generated ids without the end token, and `ended` says
    whether there was one. An engine that tells no ids has a `completion` instead. `notes` say what was out of the ordinary.
    """

    cached: int
    next: Mapping[int, Scored] = field(default_factory=dict)
    rows: Mapping[int, Scored] = field(default_factory=dict)
    tokens: tuple[int, ...] = ()
    ended: bool = False
    completion: Completion | None = None
    notes: frozenset[str] = frozenset()

    @property
    def generated(self) -> int:
        """How many tokens were generated."""
        return self.completion.tokens if self.completion else len(self.tokens)


class Job(Protocol):
    """A request to the backend, as a conversation with an engine: what is still to be asked, and the answer in the end.

    `index`: the request's place among all of them. Each method may raise `NoAnswerError`, which ends the conversation.
    """

    index: int

    def requests(self) -> list[EngineRequest]:
        """What to ask first, in this order."""
        ...

    def take(self, request: EngineRequest, reply: EngineReply) -> list[EngineRequest]:
        """Note a reply. Returns what has to be asked because of it."""
        ...

    def answer(self) -> Answer | None:
        """The answer; None while replies are due."""
        ...


def with_notes(method: str, notes: Collection[str]) -> str:
    """How the engine was asked, with what was out of the ordinary in brackets."""
    return f"{method} ({'; '.join(sorted(notes))})" if notes else method
