"""Log-likelihoods through a prefix cache, exactly.

An engine's cache holds keys and values, not logits. A request for the log-probabilities of its prompt either skips the cache, which is what
every harness pays that asks for `prompt_logprobs`, or lacks the rows that the cache spared it. So a question is asked by two kinds of
requests:

1. its context, once, for the *next* token: one forward gives the log-probability of the first token of every choice;
2. each choice of more than one token: context and choice without the last token, for the rows of the choice and for the next token.

The first puts the context into the cache without running the output head over it. Where nearly all of the context is in the cache already,
that would not pay, and choices of several tokens are asked for their first row too.

The cache works in whole blocks, so it may reach into a choice, as where choices or earlier questions begin alike. Rows that did not come
back are asked for one by one as next tokens, which an engine always computes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gemma_eval.backends.base import Answer
from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest, NoAnswerError, Scored, ScoreRequest, with_notes
from gemma_eval.backends.self_check import SHARED, unshared
from gemma_eval.plan.tree import common_prefix
from gemma_eval.types import EncodedScore, ScoreResponse, TokenIds, Usage

WORTH = 4  # a context has a request of its own if that caches so many times the tokens of its last block, which every choice recomputes


@dataclass(frozen=True)
class ScoringMode:
    """How an engine is asked for log-likelihoods. Without `share`, every full prompt is computed.

    `ids_per_request`: candidates for the next token in one request; 0 if the engine only tells how likely the prompt's own tokens are.
    `rows_through_cache`: whether it tells that while it reads its prefix cache. `block`: tokens in a block of the cache. `reason`: why
    prefixes are not shared, if the self-check found why.
    """

    share: bool = True
    ids_per_request: int = 128
    rows_through_cache: bool = True
    block: int = 16
    reason: str = ""

    @property
    def sharing(self) -> str:
        """Whether prefixes are shared, and why, in words."""
        return SHARED if self.share else unshared(self.reason)

    @property
    def full_prompt(self) -> ScoringMode:
        """The same without sharing."""
        return replace(self, share=False)


class _Context:
    """What stands before some choices.

    `ids` [tokens]; `first`: the first tokens of the choices, in order; `single`: whether one of them has no other token.
    """

    def __init__(self, ids: TokenIds) -> None:
        self.ids = ids
        self.first: dict[int, None] = {}
        self.single = False


class ScoreJob:
    """One scoring request. `seen`: how many tokens of its prompt an earlier request had."""

    def __init__(self, index: int, request: EncodedScore, mode: ScoringMode, seen: int = 0) -> None:
        self.index = index
        self.request = request
        self._scoring_mode = mode
        self._seen = seen
        self._known: dict[tuple[bytes, int], Scored] = {}  # (tokens before, token)
        self._waiting = 0
        self._computed = 0
        self._again = False
        self._notes: set[str] = set()

    @property
    def method(self) -> str:
        """How the engine was asked, which is kept with the score."""
        if not self._scoring_mode.share:
            return "full_prompt"
        if self._again:
            return "cached_rows_asked_again"
        return "next_token" if all(len(s) - start == 1 for s, start in self._parts()) else "cached_rows"

    def requests(self) -> list[EngineRequest]:
        """What to ask first: contexts, then choices."""
        return self._due(self._shared_requests() if self._scoring_mode.share else self._full_requests())

    def take(self, request: EngineRequest, reply: EngineReply) -> list[EngineRequest]:
        """Note a reply. With the last one, returns requests for the tokens that no reply told.

        Raises `NoAnswerError` if it did so before.
        """
        assert isinstance(request, ScoreRequest)
        self._waiting -= 1
        self._computed += len(request.prompt) - reply.cached
        self._notes |= reply.notes
        before = request.prompt.tobytes()
        for token, scored in reply.next.items():
            self._known[before, token] = scored
        for position, scored in reply.rows.items():
            self._known[request.prompt[:position].tobytes(), int(request.prompt[position])] = scored
        if self._waiting or not (missing := self._missing()):
            return []
        if self._again or not self._scoring_mode.ids_per_request:
            raise NoAnswerError("the engine does not say how likely each token is")
        self._again = True
        return self._due(request for prompt, ids in missing for request in self._next_token_requests(prompt, ids))

    def answer(self) -> Answer | None:
        """Sums over the tokens of each choice; None while replies are due."""
        if self._waiting:
            return None
        parts = [[self._known[s[:position].tobytes(), int(s[position])] for position in range(start, len(s))] for s, start in self._parts()]
        response = ScoreResponse(
            tuple(sum(scored.logprob for scored in part) for part in parts),
            tuple(len(part) for part in parts),
            tuple(all(scored.greedy for scored in part) for part in parts),
        )
        unshared = sum(len(sequence) - 1 for sequence in self.request.sequences)
        return Answer(self.index, response, Usage(prompt=unshared, computed=self._computed), with_notes(self.method, self._notes))

    def _due(self, requests: Iterable[ScoreRequest]) -> list[EngineRequest]:
        """Requests to be waited for, each with the images of its prompt."""
        due: list[EngineRequest] = [replace(request, images=self.request.images) for request in requests]
        self._waiting += len(due)
        return due

    def _parts(self) -> Iterator[tuple[TokenIds, int]]:
        yield from zip(self.request.sequences, self.request.starts, strict=True)

    def _shared_requests(self) -> Iterator[ScoreRequest]:
        contexts: dict[bytes, _Context] = {}
        for sequence, start in self._parts():
            context = contexts.setdefault(sequence[:start].tobytes(), _Context(sequence[:start]))
            context.first[int(sequence[start])] = None
            context.single |= len(sequence) - start == 1
        by_themselves = self._asked_by_themselves(list(contexts.values()))
        for context in by_themselves:
            yield from self._next_token_requests(context.ids, list(context.first))
        longer: dict[bytes, tuple[TokenIds, int, dict[int, None]]] = {}
        for sequence, start in self._parts():
            if len(sequence) - start > 1:
                rows_from = start + (contexts[sequence[:start].tobytes()] in by_themselves)
                request = longer.setdefault(sequence[:-1].tobytes(), (sequence[:-1], rows_from, {}))
                request[2][int(sequence[-1])] = None
        for prompt, rows_from, last in longer.values():
            rows = rows_from if rows_from < len(prompt) else None
            for several in _chunks(list(last), self._scoring_mode.ids_per_request):
                yield ScoreRequest(prompt, several, rows, fresh=rows is not None and not self._scoring_mode.rows_through_cache)

    def _asked_by_themselves(self, contexts: list[_Context]) -> list[_Context]:
        """The contexts that are asked for the next token before their choices are asked."""
        chosen = []
        for i, context in enumerate(contexts):
            size, block = len(context.ids), self._scoring_mode.block
            seen = max([min(self._seen, size), *(common_prefix(earlier.ids, context.ids) for earlier in contexts[:i])])
            worth = size - seen // block * block > WORTH * (size % block)
            if context.single or (worth and self._scoring_mode.rows_through_cache):
                chosen.append(context)
        return chosen

    def _next_token_requests(self, prompt: TokenIds, ids: list[int]) -> Iterator[ScoreRequest]:
        for several in _chunks(ids, self._scoring_mode.ids_per_request):
            yield ScoreRequest(prompt, several)

    def _full_requests(self) -> Iterator[ScoreRequest]:
        for sequence, start in self._parts():
            if not self._scoring_mode.ids_per_request:
                yield ScoreRequest(sequence, (), start, fresh=True)
                continue
            rows = start if start < len(sequence) - 1 else None
            yield ScoreRequest(sequence[:-1], (int(sequence[-1]),), rows, fresh=True)

    def _missing(self) -> list[tuple[TokenIds, list[int]]]:
        """The tokens that no reply told: prompts with their next tokens, each prompt once."""
        found: dict[bytes, list[int]] = defaultdict(list)
        for sequence, start in self._parts():
            for position in range(start, len(sequence)):
                before, token = sequence[:position].tobytes(), int(sequence[position])
                if (before, token) not in self._known and token not in found[before]:
                    found[before].append(token)
        return [(np.frombuffer(before, dtype=np.int32), ids) for before, ids in found.items() if ids]


def _chunks(ids: list[int], size: int) -> Iterator[tuple[int, ...]]:
    for first in range(0, len(ids), size):
        yield tuple(ids[first : first + size])
