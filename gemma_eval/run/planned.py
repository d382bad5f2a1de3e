"""The tokens that each request of a run will take, known before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gemma_eval.plan.tree import build_tree, number_images
from gemma_eval.task.base import Task
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore


@dataclass(frozen=True)
class PlannedTokens:
    """The tokens that one request of `task` takes, without those that it shares with requests before it in prefix order.

    `score`: computed to score continuations. `prefill`: computed of a prompt before its texts are generated. `generate`: generated at
    most, in `texts` texts together.
    """

    task: str
    score: int = 0
    prefill: int = 0
    generate: int = 0
    texts: int = 0


class AskedRequest(Protocol):
    """The part of a `PreparedSample` that planning reads."""

    @property
    def task(self) -> Task:
        """The task that asks."""
        ...

    @property
    def key(self) -> str:
        """The request key."""
        ...

    @property
    def encoded(self) -> Encoded:
        """The request as token ids."""
        ...


def planned_tokens(requests: Iterable[AskedRequest]) -> dict[str, PlannedTokens]:
    """The tokens of each distinct request, by request key, for a backend that shares every prefix.

    Builds a prefix tree of all requests: 10,000 multiple-choice requests of 700 tokens take about half a second.
    """
    distinct = list({request.key: request for request in requests}.values())
    return dict([*_scoring(distinct), *_generating(distinct)])


def _scoring(requests: Sequence[AskedRequest]) -> Iterator[tuple[str, PlannedTokens]]:
    scores = [(request, request.encoded) for request in requests if isinstance(request.encoded, EncodedScore)]
    numbered, _ = number_images([encoded for _, encoded in scores])
    read = [sequence[:-1] for encoded in numbered for sequence in encoded.sequences]  # a last token is predicted, never read
    own = iter([len(sequence) - shared for sequence, shared in zip(read, build_tree(read).shared, strict=True)])
    for request, encoded in scores:
        yield request.key, PlannedTokens(request.task.name, score=sum(next(own) for _ in encoded.sequences))


def _generating(requests: Sequence[AskedRequest]) -> Iterator[tuple[str, PlannedTokens]]:
    texts = [(request, request.encoded) for request in requests if isinstance(request.encoded, EncodedGenerate)]
    numbered, _ = number_images([encoded for _, encoded in texts])
    shared = build_tree([encoded.prompt for encoded in numbered]).shared
    for (request, encoded), common in zip(texts, shared, strict=True):
        samples = encoded.request.samples
        yield (
            request.key,
            PlannedTokens(
                request.task.name,
                prefill=len(encoded.prompt) - common,
                generate=encoded.request.max_tokens * samples,
                texts=samples,
            ),
        )
