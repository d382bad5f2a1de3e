"""What every backend offers: the seam between the harness and an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from gemma_eval.types import JSON, Encoded, Finish, Response, Usage

Phase: TypeAlias = Literal["loading", "scoring", "generating"]
"""What a backend is busy with. Loading includes starting an engine."""


@dataclass(frozen=True)
class Answer:
    """The response to `requests[index]`, with the tokens it took. Prefixes shared by several are counted once, with the first.

    `method`: the engine's way to it, where it has several.
    """

    index: int
    response: Response
    usage: Usage
    method: str = ""


@dataclass(frozen=True)
class Draft:
    """A text that is being generated: what there is of it, from how many tokens, and why it ended, once it has."""

    text: str
    tokens: int
    finish: Finish | None


class Watcher(Protocol):
    """Hears what a backend is doing while its answers are still on the way."""

    def phase(self, phase: Phase) -> None:
        """The backend begins this phase."""
        ...

    def generated(self, tokens: int) -> None:
        """The backend generated `tokens` more tokens, of texts that may not be finished yet."""
        ...


class Unwatched:
    """The watcher of a caller who does not care."""

    def phase(self, phase: Phase) -> None:
        """Ignore the phase."""

    def generated(self, tokens: int) -> None:
        """Ignore the tokens."""


UNWATCHED = Unwatched()


class Backend(Protocol):
    """Answers encoded requests with a model.

    `answer` may yield in any order and must yield as answers arrive, so that a killed run loses little. It must not
    depend on batch size or order beyond the noise of the dtype. If requests turn out to be unanswerable (an image does not
    decode), it answers the others and then raises `UnansweredError`.
    """

    @property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer (a transformers tokenizer), loaded without the weights."""
        ...

    @property
    def fingerprint(self) -> dict[str, JSON]:
        """Everything about model and engine that can change an answer: part of every request key."""
        ...

    def answer(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> Iterator[Answer]:
        """Answers to `requests`, in any order, as they arrive; `watcher` hears of phases and tokens on the way."""
        ...
