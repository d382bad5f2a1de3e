"""Decoding in batches of a token budget; rows that have finished leave the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

from gemma_eval.backends.base import Answer
from gemma_eval.types import EncodedGenerate, Finish, Generate, GenerateResponse, TokenIds, Usage


@dataclass
class _Row:
    """One sample being generated."""

    request: int
    sample: int
    prompt: TokenIds
    settings: Generate
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    finish: Finish | None = None
    generator: torch.Generator | None = None


def generate(model: Any, tokenizer: Any, requests: Sequence[EncodedGenerate], budget: int) -> Iterator[Answer]:
    """Answers, a request at a time once all its samples are done. `budget`: tokens in the batch's key-value cache."""
    rows = [
        _Row(r, sample, request.prompt, request.request, generator=_seeded(request.request, sample))
        for r, request in enumerate(requests)
        for sample in range(request.request.samples)
    ]
    rows.sort(key=lambda row: (-len(row.prompt) - row.settings.max_tokens, row.request))
    done: dict[int, list[_Row]] = {}
    for batch in _batches(rows, budget):
        _decode(model, tokenizer, batch)
        for row in batch:
            done.setdefault(row.request, []).append(row)
            if len(done[row.request]) == row.settings.samples:
                yield _answer(row.request, done.pop(row.request))


def _seeded(settings: Generate, sample: int) -> torch.Generator | None:
    """A generator of the sample's own, so that its tokens depend neither on the batch nor on the order."""
    if settings.temperature <= 0:
        return None
    return torch.Generator().manual_seed(settings.seed * 1_000_003 + sample)


def _batches(rows: list[_Row], budget: int) -> Iterator[list[_Row]]:
    batch: list[_Row] = []
    widest = 0
    for row in rows:
        widest = max(widest, len(row.prompt) + row.settings.max_tokens)
        if batch and widest * (len(batch) + 1) > budget:
            yield batch
            batch, widest = [], len(row.prompt) + row.settings.max_tokens
        batch.append(row)
    if batch:
        yield batch


@torch.inference_mode()
def _decode(model: Any, tokenizer: Any, batch: list[_Row]) -> None:
    """Fill `text`, `tokens` and `finish` of every row."""
    device = model.get_input_embeddings().weight.device
    width = max(len(row.prompt) for row in batch)
    ids = torch.full((len(batch), width), tokenizer.pad_token_id or 0, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(batch):
        ids[i, width - len(row.prompt) :] = torch.from_numpy(row.prompt).long()
        mask[i, width - len(row.prompt) :] = 1
    ids, mask = ids.to(device), mask.to(device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    ends = _end_tokens(model, tokenizer)
    active = list(batch)
    while active:
        output = model(input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1)
        chosen = [_choose(row, logits) for row, logits in zip(active, output.logits[:, -1].float(), strict=True)]
        for row, token in zip(active, chosen, strict=True):
            _advance(row, token, ends, tokenizer)
        stay = [i for i, row in enumerate(active) if row.finish is None]
        if len(stay) < len(active):
            index = torch.tensor(stay, dtype=torch.long, device=device)
            if stay:
                cache.batch_select_indices(index)
            mask, positions = mask[index], positions[index]
        active = [active[i] for i in stay]
        ids = torch.tensor([[chosen[i]] for i in stay], dtype=torch.long, device=device)
        mask = torch.cat([mask, mask.new_ones(len(stay), 1)], dim=1)
        positions = positions[:, -1:] + 1


def _end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Ids that end a text: the tokenizer's, and those of the generation config (`<end_of_turn>` of IT models)."""
    ends = {tokenizer.eos_token_id}
    configured = getattr(model.generation_config, "eos_token_id", None)
    ends |= set(configured) if isinstance(configured, list) else {configured}
    return ends - {None}


def _choose(row: _Row, logits: torch.Tensor) -> int:
    if row.generator is None:
        return int(logits.argmax())
    probabilities = torch.softmax(logits.cpu() / row.settings.temperature, dim=-1)
    return int(torch.multinomial(probabilities, 1, generator=row.generator))


def _advance(row: _Row, token: int, ends: set[int], tokenizer: Any) -> None:
    """Add a token. Stop strings are matched on text: runs of newlines are single tokens in Gemma's vocabulary."""
    if token in ends:
        row.finish = "eos"
        return
    row.tokens.append(token)
    row.text = tokenizer.decode(row.tokens, skip_special_tokens=True)
    found = [at for stop in row.settings.stop if (at := row.text.find(stop)) >= 0]
    if found:
        row.text, row.finish = row.text[: min(found)], "stop"
    elif len(row.tokens) >= row.settings.max_tokens:
        row.finish = "length"


def _answer(request: int, rows: list[_Row]) -> Answer:
    rows.sort(key=lambda row: row.sample)
    response = GenerateResponse(
        tuple(row.text for row in rows),
        tuple(row.finish or "length" for row in rows),
        tuple(len(row.tokens) for row in rows),
    )
    generated = sum(response.tokens)
    prompt = sum(len(row.prompt) for row in rows)
    return Answer(request, response, Usage(prompt=prompt + generated, computed=prompt + generated, generated=generated))
