"""What every backend offers to the rest of the program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from gemma_eval.types import JSON, Encoded, Finish, Response, Usage

Phase: TypeAlias = Literal["loading", "checking", "scoring", "generating"]
"""What a backend is busy with. Loading a model includes starting an engine and reaching a server. Checking: the start-up check asks it."""


@dataclass(frozen=True)
class Answer:
    """The response to `requests[index]`, with the tokens that it took. A prefix that several requests share counts with the first.

    `method`: how the engine was asked, if there are several ways. `fault`: why the response means nothing, where the backend itself knows.
    """

    index: int
    response: Response
    usage: Usage
    method: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Draft:
    """A text while it is generated: what there is of it, from how many tokens, and why it ended (None before it has)."""

    text: str
    tokens: int
    finish: Finish | None


class Watcher(Protocol):
    """Hears what a backend is doing, before its answers are there."""

    def phase(self, phase: Phase) -> None:
        """The backend begins this phase."""
        ...

    def generated(self, tokens: int) -> None:
        """The backend generated `tokens` more tokens, of texts that may not have ended. In the end they add up to those of its answers."""
        ...


class Unwatched:
    """A watcher that ignores what it hears."""

    def phase(self, phase: Phase) -> None:
        """Ignore the phase."""

    def generated(self, tokens: int) -> None:
        """Ignore the tokens."""


UNWATCHED = Unwatched()


class Backend(Protocol):
    """Answers encoded requests with a model.

    Answers must not depend on batch size or order beyond the noise of the dtype.
    """

    @property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer (a transformers tokenizer), loaded without the weights."""
        ...

    @property
    def fingerprint(self) -> dict[str, JSON]:
        """Everything about model and engine that can change an answer. It is part of every request key."""
        ...

    @property
    def sharing(self) -> str:
        """Whether scoring shares prefixes, and what the backend's own check of that said, in words; "" before anything was scored."""
        ...

    def load(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> None:
        """Load the model, ready for requests such as these. `answer` does so too. Raises `ConfigError` if it cannot be loaded."""
        ...

    def answer(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> Iterator[Answer]:
        """Answers to `requests`, in any order, each as soon as it is there, so that a killed run loses little.

        `watcher` hears of phases as they begin, and of tokens as they are generated. Raises `ConfigError` if the model cannot be loaded or
        cannot answer such requests. If some requests prove unanswerable (an image does not decode), the others are answered first, and
        `UnansweredError` is raised in the end.
        """
        ...
