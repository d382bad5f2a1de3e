"""Rows being generated: choosing a token, noticing the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from gemma_eval.backends.base import Answer, Draft
from gemma_eval.backends.stopping import before_stop
from gemma_eval.types import EncodedGenerate, Finish, Generate, GenerateResponse, TokenIds, Usage


@dataclass
class GeneratedRow:
    """One sample of one request. `prompt`: token ids; `shared`: how many of them an earlier row computed."""

    request: int
    sample: int
    prompt: TokenIds
    settings: Generate
    shared: int = 0
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    finish: Finish | None = None
    generator: torch.Generator | None = None

    @property
    def tokens_needed(self) -> int:
        """Tokens it may need in a key-value cache."""
        return len(self.prompt) + self.settings.max_tokens


def rows_of(requests: Sequence[EncodedGenerate]) -> list[GeneratedRow]:
    return [
        GeneratedRow(r, sample, request.prompt, request.request, generator=_seeded(request.request, sample))
        for r, request in enumerate(requests)
        for sample in range(request.request.samples)
    ]


def _seeded(settings: Generate, sample: int) -> torch.Generator | None:
    """A generator of the sample's own, so that its tokens depend neither on the batch nor on the order."""
    if settings.temperature <= 0:
        return None
    return torch.Generator().manual_seed(settings.seed * 1_000_003 + sample)


def draw(row: GeneratedRow, logits: torch.Tensor) -> int:
    """A token drawn from logits [vocabulary] at the row's temperature, by its own generator."""
    probabilities = torch.softmax(logits.float().cpu() / row.settings.temperature, dim=-1)
    return int(torch.multinomial(probabilities, 1, generator=row.generator))


def advance(row: GeneratedRow, token: int, ends: set[int], tokenizer: Any) -> None:
    """Add a token; sets `finish` and `text` when it is the last."""
    if token in ends:
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
    """Whether a stop string stands in the last tokens. Strings are matched on text, since runs of newlines are single tokens in
    Gemma's vocabulary; a string of n characters ends within the last n tokens (a few more, for characters of several tokens)."""
    if not row.settings.stop:
        return False
    longest = max(map(len, row.settings.stop))
    tail = tokenizer.decode(row.tokens[-longest - 8 :], skip_special_tokens=True)
    return any(stop in tail for stop in row.settings.stop)


def answers(rows: Iterable[GeneratedRow]) -> Iterator[Answer]:
    """The answer of each request once all its samples have finished, from rows as they grow."""
    done: dict[int, list[GeneratedRow]] = defaultdict(list)
    for row in rows:
        if row.finish:
            samples = done[row.request]
            samples.append(row)
            if len(samples) == row.settings.samples:
                yield _answer(row.request, done.pop(row.request))


def draft(row: GeneratedRow, tokenizer: Any) -> Draft:
    """The row's text so far, without half a character at its end."""
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
    return Answer(request, response, Usage(prompt=prompt + generated, computed=prompt - shared + generated, generated=generated))
