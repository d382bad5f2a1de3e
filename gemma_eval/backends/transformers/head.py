"""The output head, on the rows that need it, and in blocks of the vocabulary.

Gemma's vocabulary has 262,144 entries, so the logits of a prompt would take 1 MiB a token in float32. Here no tensor is larger than rows x
one block, and the log-sum-exp is taken in float32.

In bf16 a logit near 20 is rounded by up to 0.06, which is too much for a log-likelihood. The logits of the scored tokens are computed again
in float32, and replace the rounded ones in the log-sum-exp too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

BLOCK = 1 << 22  # logits at a time, few enough for the CPU's cache
ROWS = 512  # rows at a time
UNDEFINED = -1  # stands for the next token after logits that are NaN or infinite
ROUND = 16  # row counts are padded to multiples of this, since the CPU's matrix library keeps a kernel for each shape it has seen


class _Fold(torch.nn.Module):
    """Adds a block of logits to a running log-sum-exp: `best` is the largest logit so far, `total` the sum of exponentials relative to it.

    logits: [rows, block], any float type; best, total: [rows], float32. It is a module so that it can be compiled in place.
    """

    def forward(self, logits: torch.Tensor, best: torch.Tensor, total: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = logits.float()
        peak = torch.maximum(best, logits.amax(dim=1))
        return peak, total * (best - peak).exp() + (logits - peak[:, None]).exp().sum(dim=1)


fold = _Fold()


@torch.inference_mode()
def token_logprobs(model: Any, hidden: torch.Tensor, rows: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability (nats, float32) of `tokens[i]` after `hidden[rows[i]]`, and whether no token is likelier; both [targets].

    hidden: [rows, hidden size]; rows, tokens: [targets]. Each row goes through the head once, however many targets it has.
    """
    device = model.get_output_embeddings().weight.device
    hidden, rows, tokens = hidden.to(device), rows.to(device), tokens.to(device)
    logprobs = torch.empty(len(tokens), device=device)
    greedy = torch.empty(len(tokens), dtype=torch.bool, device=device)
    for first in range(0, len(hidden), ROWS):
        here = ((rows >= first) & (rows < first + ROWS)).nonzero().squeeze(1)
        logprobs[here], greedy[here] = _chunk_logprobs(model, hidden[first : first + ROWS], rows[here] - first, tokens[here])
    return logprobs.cpu(), greedy.cpu()


def _chunk_logprobs(model: Any, hidden: torch.Tensor, rows: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`token_logprobs` of at most `ROWS` rows, in one pass over the vocabulary."""
    hidden = torch.nn.functional.pad(hidden, (0, 0, 0, -len(hidden) % ROUND))
    best = torch.full((len(hidden),), -torch.inf, device=hidden.device)
    total = torch.zeros(len(hidden), device=hidden.device)
    rounded = torch.empty(len(tokens), device=hidden.device)
    for start, logits in _logit_blocks(model, hidden):
        inside = ((tokens >= start) & (tokens < start + logits.shape[1])).nonzero().squeeze(1)
        rounded[inside] = logits[rows[inside], tokens[inside] - start].float()
        best, total = fold(logits, best, total)
    exact = _logits_at(model, hidden[rows], tokens)
    once = _one_of_each(rows, tokens)
    mended = (exact - best[rows]).exp() - (rounded - best[rows]).exp()
    total = total.index_add(0, rows[once], mended[once])
    return exact - (best + total.log())[rows], rounded >= best[rows]


def _one_of_each(rows: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """One index of each distinct pair of a row and a token. Choices that begin alike have the same token of the same row."""
    pairs, group = torch.unique(rows * (tokens.max() + 1) + tokens, return_inverse=True)
    return torch.empty_like(pairs).scatter(0, group, torch.arange(len(group), device=group.device))


def _logits_at(model: Any, hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """The logit of `tokens[i]` after `hidden[i]` [tokens, hidden size], in float32."""
    head = model.get_output_embeddings()
    logits = (hidden.float() * head.weight[tokens].float()).sum(1)
    return _capped(logits if head.bias is None else logits + head.bias[tokens].float(), _softcap(model))


@torch.inference_mode()
def likeliest(model: Any, hidden: torch.Tensor) -> torch.Tensor:
    """The likeliest token after each of `hidden` [rows, hidden size], [rows]; the lowest id on a tie.

    `UNDEFINED` where the largest logit is NaN or infinite. A NaN among the logits counts as the largest.
    """
    best, tokens = None, None
    for start, logits in _logit_blocks(model, hidden):
        peak, at = logits.max(dim=1)
        if best is None or tokens is None:
            best, tokens = peak, at
        else:
            tokens = torch.where(peak > best, at + start, tokens)
            best = torch.maximum(best, peak)
    assert best is not None and tokens is not None
    return defined(tokens, best)


def defined(tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """The chosen tokens [rows], with `UNDEFINED` where their logits [rows] are NaN or infinite. Nothing leaves the device."""
    return torch.where(logits.isfinite(), tokens, UNDEFINED)


@torch.inference_mode()
def all_logits(model: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Logits [rows, vocabulary], float32, for rows that are sampled at a temperature. `hidden`: [rows, hidden size]."""
    return torch.cat([logits.float() for _, logits in _logit_blocks(model, hidden)], dim=1)


def _logit_blocks(model: Any, hidden: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
    """Logits of `hidden` [rows, hidden size] in the model's dtype, [rows, block], each block with the id of its first entry."""
    head = model.get_output_embeddings()
    hidden = hidden.to(head.weight.device)
    softcap = _softcap(model)
    entries = BLOCK // min(len(hidden), ROWS)
    for start in range(0, head.weight.shape[0], entries):
        bias = None if head.bias is None else head.bias[start : start + entries]
        yield start, _capped(torch.nn.functional.linear(hidden, head.weight[start : start + entries], bias), softcap)


def _softcap(model: Any) -> float | None:
    return getattr(model.config.get_text_config(), "final_logit_softcapping", None)


def _capped(logits: torch.Tensor, softcap: float | None) -> torch.Tensor:
    return torch.tanh(logits.float() / softcap) * softcap if softcap else logits
