"""Rows that are being generated: how a token is chosen, where a text ends, and what a watcher hears of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from gemma_eval.backends.base import Answer, Draft, Watcher
from gemma_eval.backends.stopping import before_stop
from gemma_eval.backends.transformers.head import UNDEFINED
from gemma_eval.errors import UnansweredError
from gemma_eval.types import EncodedGenerate, Finish, Generate, GenerateResponse, TokenIds, Usage


@dataclass
class GeneratedRow:
    """One sample of one request. `prompt`: token ids; `shared`: how many of them an earlier row computed.

    `tokens` are those generated so far, without an end token. `text` and `finish` are set with the last of them. `fault`: why the text
    means nothing.
    """

    request: int
    sample: int
    prompt: TokenIds
    settings: Generate
    shared: int = 0
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    finish: Finish | None = None
    fault: str = ""
    generator: torch.Generator | None = None

    @property
    def tokens_needed(self) -> int:
        """Tokens that it may need in a key-value cache."""
        return len(self.prompt) + self.settings.max_tokens


def rows_of(requests: Sequence[EncodedGenerate]) -> list[GeneratedRow]:
    """A row for each sample of each request, in their order."""
    return [
        GeneratedRow(r, sample, request.prompt, request.request, generator=_seeded(request.request, sample))
        for r, request in enumerate(requests)
        for sample in range(request.request.samples)
    ]


def _seeded(settings: Generate, sample: int) -> torch.Generator | None:
    """A random generator for one sample, so that its tokens depend neither on the batch nor on the order; None for greedy decoding."""
    if settings.temperature <= 0:
        return None
    return torch.Generator().manual_seed(settings.seed * 1_000_003 + sample)


def draw(row: GeneratedRow, logits: torch.Tensor) -> int:
    """A token drawn from finite logits [vocabulary] at the row's temperature, with the row's own generator."""
    probabilities = torch.softmax(logits.float().cpu() / row.settings.temperature, dim=-1)
    return int(torch.multinomial(probabilities, 1, generator=row.generator))


def advance(row: GeneratedRow, token: int, ends: set[int], tokenizer: Any) -> None:
    """Add a token. If the text ends with it, set `finish` and `text`. `ends`: ids that end a text, and are no part of it.

    An `UNDEFINED` token ends the text too, with a `fault`.
    """
    if token == UNDEFINED:
        row.fault = f"the logits of token {len(row.tokens) + 1} of the text are NaN or infinite"
    if token in ends or row.fault:
        row.finish = "eos"
    else:
        row.tokens.append(token)
        if _may_stop(row, tokenizer):
            text = before_stop(tokenizer.decode(row.tokens, skip_special_tokens=True), row.settings.stop)
            if text is not None:
                row.text, row.finish = text, "stop"
                return
        if len(row.tokens) >= row.settings.max_tokens:
            row.finish = "length"
    if row.finish:
        row.text = tokenizer.decode(row.tokens, skip_special_tokens=True)


def _may_stop(row: GeneratedRow, tokenizer: Any) -> bool:
    """Whether a stop string stands in the last tokens.

    Strings are matched on text, since runs of newlines are single tokens in Gemma's vocabulary. A string of n characters takes at most n
    tokens, or a few more for characters of several tokens.
    """
    if not row.settings.stop:
        return False
    longest = max(map(len, row.settings.stop))
    tail = tokenizer.decode(row.tokens[-longest - 8 :], skip_special_tokens=True)
    return any(stop in tail for stop in row.settings.stop)


def answers(rows: Iterable[GeneratedRow]) -> Iterator[Answer]:
    """The answer of each request, once all its samples have finished, from rows that come once for each token."""
    done: dict[int, list[GeneratedRow]] = defaultdict(list)
    for row in rows:
        if row.finish:
            samples = done[row.request]
            samples.append(row)
            if len(samples) == row.settings.samples:
                yield _answer(row.request, done.pop(row.request))


class TokenCount:
    """Tells a watcher how many tokens rows have grown by, at every decoding step, and each token once.

    When memory runs out, unfinished texts begin anew. Their tokens are not told again, so that the sum is that of the answers.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._answered = 0
        self._told = 0

    def answers(self, rows: Iterable[GeneratedRow]) -> Iterator[Answer]:
        """`answers` of rows, which may be a new attempt at those without an answer so far."""
        for answer in answers(self._counted(rows)):
            self._answered += answer.usage.generated
            yield answer

    def _counted(self, rows: Iterable[GeneratedRow]) -> Iterator[GeneratedRow]:
        count = self._answered
        for row in rows:
            count += row.finish != "eos"  # an end token is not counted
            if count > self._told:
                self._watcher.generated(count - self._told)
                self._told = count
            yield row


def draft(row: GeneratedRow, tokenizer: Any) -> Draft:
    """The row's text so far, without an incomplete character at its end. Raises `UnansweredError` if it means nothing."""
    if row.fault:
        raise UnansweredError({row.request: row.fault})
    text = row.text if row.finish else tokenizer.decode(row.tokens, skip_special_tokens=True).rstrip("\ufffd")
    return Draft(text, len(row.tokens), row.finish)


def _answer(request: int, rows: list[GeneratedRow]) -> Answer:
    rows.sort(key=lambda row: row.sample)
    response = GenerateResponse(
        tuple(row.text for row in rows),
        tuple(row.finish or "length" for row in rows),
        tuple(len(row.tokens) for row in rows),
    )
    generated = sum(response.tokens)
    prompt = sum(len(row.prompt) for row in rows)
    shared = sum(row.shared for row in rows)
    usage = Usage(prompt=prompt + generated, computed=prompt - shared + generated, generated=generated)
    return Answer(request, response, usage, fault=next((row.fault for row in rows if row.fault), ""))
