"""What is asked of an engine and what comes back, in plain values: jobs can be tested without an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gemma_eval.backends.base import Answer
from gemma_eval.types import Finish, Generate, ImageSpan, TokenIds


@dataclass(frozen=True)
class ScoreRequest:
    """One forward of `prompt`: how likely each of `ids` is as the next token.

    `rows_from`: also how likely the prompt's own tokens are, from this position on. `fresh`: read nothing from the prefix cache.
    """

    prompt: TokenIds
    ids: tuple[int, ...]
    rows_from: int | None = None
    fresh: bool = False
    images: tuple[ImageSpan, ...] = ()


@dataclass(frozen=True)
class GenerateRequest:
    """One text after `prompt`: sample number `sample` of `settings`."""

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
class Text:
    """A text that the engine itself has cut at its stop string. `tokens`: how many it had."""

    text: str
    finish: Finish
    tokens: int


@dataclass(frozen=True)
class EngineReply:
    """What the engine made of an ask. `cached`: tokens of the prompt that it did not compute.

    `next`: by token. `rows`: by position in the prompt, only those that the engine computed (the cache holds no logits).
    """

    cached: int
    next: Mapping[int, Scored] = field(default_factory=dict)
    rows: Mapping[int, Scored] = field(default_factory=dict)
    tokens: tuple[int, ...] = ()  # generated, an end token included
    text: Text | None = None  # generated, from an engine that tells no tokens


class Job(Protocol):
    """A request on its way: what it still has to ask, and its answer once it has asked all."""

    def requests(self) -> list[EngineRequest]:
        """What to ask now, in this order."""
        ...

    def take(self, request: EngineRequest, reply: EngineReply) -> list[EngineRequest]:
        """Note a reply; returns what it makes necessary."""
        ...

    def answer(self) -> Answer | None:
        """None while replies are due."""
        ...
