"""Log-likelihoods through a prefix cache, exactly.

An engine's cache holds keys and values, not logits: a request for the log-probabilities of its prompt either skips the cache (what
every harness that asks for `prompt_logprobs` pays) or lacks the rows that the cache spared it. So a question is asked in two kinds:

1. its context, once, for the *next* token: one forward gives the log-probability of the first token of every choice;
2. each choice of more than one token: context and choice without the last token, for the rows of the choice and for the next token.

The first puts the context into the cache without running the output head over it. Where that would not pay (nearly all of the context is
there already), choices of several tokens are asked alone, for their first row too.

The cache works in whole blocks, so it may reach into a choice (choices that begin alike, questions asked before). Rows that did
not come back are asked for one by one as next tokens, which an engine always computes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gemma_eval.backends.base import Answer
from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest, Scored, ScoreRequest
from gemma_eval.errors import RunError
from gemma_eval.plan.tree import common_prefix
from gemma_eval.types import EncodedScore, ScoreResponse, TokenIds, Usage

WORTH = 4  # a context is asked alone if it brings so many times the tokens that every choice computes again in its last block


@dataclass(frozen=True)
class ScoringMode:
    """How an engine is asked. Without `share`, every continuation is computed from the first token on."""

    share: bool = True
    ids_per_request: int = 128  # candidates for the next token in one ask; 0: the engine tells only how likely the prompt's own tokens are
    rows_through_cache: bool = True  # rows of the prompt while reading the prefix cache
    block: int = 16  # tokens: the cache keeps whole blocks

    @property
    def full_prompt(self) -> ScoringMode:
        return replace(self, share=False)


class _Context:
    """What stands before some choices: their first tokens, and whether one of them has no other."""

    def __init__(self, ids: TokenIds) -> None:
        self.ids = ids
        self.first: dict[int, None] = {}
        self.single = False


class ScoreJob:
    """One scoring request. `seen`: how many tokens of its prompt stood in an earlier request."""

    def __init__(self, index: int, request: EncodedScore, mode: ScoringMode, seen: int = 0) -> None:
        self.index = index
        self.request = request
        self._scoring_mode = mode
        self._seen = seen
        self._known: dict[tuple[bytes, int], Scored] = {}  # (tokens before, token)
        self._waiting = 0
        self._computed = 0
        self._again = False

    @property
    def method(self) -> str:
        """How the answer was had: kept beside the score."""
        if not self._scoring_mode.share:
            return "full_prompt"
        if self._again:
            return "cached_rows_asked_again"
        return "next_token" if all(len(s) - start == 1 for s, start in self._parts()) else "cached_rows"

    def requests(self) -> list[EngineRequest]:
        return self._due(self._shared_requests() if self._scoring_mode.share else self._full_requests())

    def take(self, request: EngineRequest, reply: EngineReply) -> list[EngineRequest]:
        assert isinstance(request, ScoreRequest)
        self._waiting -= 1
        self._computed += len(request.prompt) - reply.cached
        before = request.prompt.tobytes()
        for token, scored in reply.next.items():
            self._known[before, token] = scored
        for position, scored in reply.rows.items():
            self._known[request.prompt[:position].tobytes(), int(request.prompt[position])] = scored
        if self._waiting or not (missing := self._missing()):
            return []
        if self._again or not self._scoring_mode.ids_per_request:
            raise RunError("the engine did not answer for tokens that it was asked for one by one")
        self._again = True
        return self._due(request for prompt, ids in missing for request in self._next_token_requests(prompt, ids))

    def answer(self) -> Answer | None:
        if self._waiting:
            return None
        parts = [[self._known[s[:position].tobytes(), int(s[position])] for position in range(start, len(s))] for s, start in self._parts()]
        response = ScoreResponse(
            tuple(sum(scored.logprob for scored in part) for part in parts),
            tuple(len(part) for part in parts),
            tuple(all(scored.greedy for scored in part) for part in parts),
        )
        unshared = sum(len(sequence) - 1 for sequence in self.request.sequences)
        return Answer(self.index, response, Usage(prompt=unshared, computed=self._computed), self.method)

    def _due(self, requests: Iterable[ScoreRequest]) -> list[EngineRequest]:
        """Asks to be waited for, each with the pictures of its prompt."""
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
        alone = self._alone(list(contexts.values()))
        for context in alone:
            yield from self._next_token_requests(context.ids, list(context.first))
        longer: dict[bytes, tuple[TokenIds, int, dict[int, None]]] = {}
        for sequence, start in self._parts():
            if len(sequence) - start > 1:
                rows_from = start + (contexts[sequence[:start].tobytes()] in alone)
                request = longer.setdefault(sequence[:-1].tobytes(), (sequence[:-1], rows_from, {}))
                request[2][int(sequence[-1])] = None
        for prompt, rows_from, last in longer.values():
            rows = rows_from if rows_from < len(prompt) else None
            for several in _chunks(list(last), self._scoring_mode.ids_per_request):
                yield ScoreRequest(prompt, several, rows, fresh=rows is not None and not self._scoring_mode.rows_through_cache)

    def _alone(self, contexts: list[_Context]) -> list[_Context]:
        """The contexts to ask for the next token before their choices are asked."""
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
        """What is not known yet: prompts with the next tokens wanted, shared beginnings once."""
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
