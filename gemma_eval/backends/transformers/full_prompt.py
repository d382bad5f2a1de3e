"""Full prompts: every sequence is computed from its first token on, with the model's own cache and attention.

This serves models whose attention cannot be replaced, and is the reference for shared prefixes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

import torch
from transformers import DynamicCache

from gemma_eval.backends.base import Answer
from gemma_eval.backends.stopping import end_tokens
from gemma_eval.backends.transformers.head import UNDEFINED, defined, token_logprobs
from gemma_eval.backends.transformers.image_embeddings import ImageEmbeddings
from gemma_eval.backends.transformers.sampling import GeneratedRow, advance, draw, rows_of
from gemma_eval.plan.tree import FIRST_IMAGE
from gemma_eval.types import EncodedGenerate, EncodedScore, ScoreResponse, TokenIds, Usage


class _Sized(Protocol):
    @property
    def tokens_needed(self) -> int: ...


S = TypeVar("S", bound=_Sized)


def _batches(items: list[S], budget: int) -> Iterator[list[S]]:
    """Batches of at most `budget` tokens with padding, the longest items first."""
    batch: list[S] = []
    for item in sorted(items, key=lambda item: -item.tokens_needed):
        if batch and batch[0].tokens_needed * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


# -- scoring ----------------------------------------------------------------------------------------------------


class _Scored:
    """One continuation of one request: `ids` [tokens] with its prompt, scored from `start` on. Log-likelihood in nats."""

    def __init__(self, request: int, ids: TokenIds, start: int) -> None:
        self.request, self.ids, self.start = request, ids, start
        self.logprob = 0.0
        self.greedy = True

    @property
    def tokens_needed(self) -> int:
        return len(self.ids)


def score(model: Any, requests: Sequence[EncodedScore], budget: int, images: ImageEmbeddings | None = None) -> Iterator[Answer]:
    """Log-likelihoods, each continuation with its full prompt, in padded batches of at most `budget` tokens.

    Images in `requests` are numbered (`plan.tree.number_images`), and `images` has them by number.
    """
    scored = [
        [_Scored(r, ids, start) for ids, start in zip(request.sequences, request.starts, strict=True)] for r, request in enumerate(requests)
    ]
    left = [len(parts) for parts in scored]
    for batch in _batches([part for parts in scored for part in parts], budget):
        _score_batch(model, batch, images)
        for part in batch:
            left[part.request] -= 1
            if left[part.request] == 0:
                yield _answer(part.request, scored[part.request])


@torch.inference_mode()
def _score_batch(model: Any, batch: list[_Scored], images: ImageEmbeddings | None) -> None:
    """Score the continuations of one batch."""
    width = max(part.tokens_needed for part in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, part in enumerate(batch):
        ids[i, : part.tokens_needed] = torch.from_numpy(part.ids).long()
        mask[i, : part.tokens_needed] = 1
    hidden = hidden_states(model, ids, mask, images)
    rows = [(i, position - 1) for i, part in enumerate(batch) for position in range(part.start, part.tokens_needed)]
    needed = hidden[[i for i, _ in rows], [at for _, at in rows]]
    tokens = torch.tensor([int(part.ids[position]) for part in batch for position in range(part.start, part.tokens_needed)])
    logprobs, greedy = token_logprobs(model, needed, torch.arange(len(rows)), tokens)
    for (i, _), logprob, likeliest in zip(rows, logprobs.tolist(), greedy.tolist(), strict=True):
        batch[i].logprob += logprob
        batch[i].greedy &= likeliest


@torch.inference_mode()
def hidden_states(model: Any, ids: torch.Tensor, mask: torch.Tensor, images: ImageEmbeddings | None) -> torch.Tensor:
    """Last hidden states [rows, tokens, hidden size] of `ids` [rows, tokens]. `mask` is 0 where `ids` are padding, on the right."""
    inputs = _inputs(model, ids, images)
    body = model.base_model if images else model.get_decoder()  # the whole model makes masks for images; its decoder does not
    hidden: torch.Tensor = body(**inputs, attention_mask=mask.to(model.device), use_cache=False).last_hidden_state
    return hidden


def _inputs(model: Any, ids: torch.Tensor, images: ImageEmbeddings | None) -> dict[str, torch.Tensor]:
    """What a model takes for `ids` [rows, tokens]: with images, embeddings and the token types that let an image attend to itself."""
    device = model.get_input_embeddings().weight.device
    if images is None:
        return {"input_ids": ids.to(device)}
    return {"inputs_embeds": images.embed(model, ids), "token_type_ids": (ids >= FIRST_IMAGE).long().to(device)}


def _answer(request: int, parts: list[_Scored]) -> Answer:
    response = ScoreResponse(
        tuple(part.logprob for part in parts),
        tuple(part.tokens_needed - part.start for part in parts),
        tuple(part.greedy for part in parts),
    )
    tokens = sum(part.tokens_needed - 1 for part in parts)
    return Answer(request, response, Usage(prompt=tokens, computed=tokens))


# -- generation -------------------------------------------------------------------------------------------------


def grow(
    model: Any, tokenizer: Any, requests: Sequence[EncodedGenerate], budget: int, images: ImageEmbeddings | None = None
) -> Iterator[GeneratedRow]:
    """The rows of all requests, each row once for each of its tokens, in left-padded batches whose cache holds `budget` tokens.

    Images in `requests` are numbered (`plan.tree.number_images`), and `images` has them by number.
    """
    for batch in _batches(rows_of(requests), budget):
        yield from _decode(model, tokenizer, batch, images)


@torch.inference_mode()
def _decode(model: Any, tokenizer: Any, batch: list[GeneratedRow], images: ImageEmbeddings | None) -> Iterator[GeneratedRow]:
    """Generate every row of the batch to its end. Rows that have ended leave the batch."""
    device = model.get_input_embeddings().weight.device
    ends = end_tokens(model.generation_config, tokenizer)
    ids, mask = _left_padded(batch)
    inputs, mask = _inputs(model, ids, images), mask.to(device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    active = list(batch)
    while active:
        output = model(**inputs, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1)
        last = output.logits[:, -1]
        best, at = last.max(dim=1)
        likeliest: list[int] = defined(at, best).tolist()
        chosen = [
            draw(row, last[i]) if row.generator and token != UNDEFINED else token
            for i, (row, token) in enumerate(zip(active, likeliest, strict=True))
        ]
        for row, token in zip(active, chosen, strict=True):
            advance(row, token, ends, tokenizer)
        yield from active
        stay = [i for i, row in enumerate(active) if row.finish is None]
        index = torch.tensor(stay, dtype=torch.long, device=device)
        if stay and len(stay) < len(active):
            cache.batch_select_indices(index)
        active = [active[i] for i in stay]
        inputs = {"input_ids": torch.tensor([[chosen[i]] for i in stay], dtype=torch.long, device=device)}
        mask = torch.cat([mask[index], mask.new_ones(len(stay), 1)], dim=1)
        positions = positions[index, -1:] + 1


def _left_padded(batch: list[GeneratedRow]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask of the prompts, both [rows, tokens]."""
    width = max(len(row.prompt) for row in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(batch):
        ids[i, width - len(row.prompt) :] = torch.from_numpy(row.prompt).long()
        mask[i, width - len(row.prompt) :] = 1
    return ids, mask
