"""The output head on needed rows only, in vocabulary blocks.

Gemma's vocabulary has 262,144 entries: logits of a whole prompt would be 1 MiB a token in float32. Here no tensor is
larger than rows x one block, and the log-sum-exp is taken in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

BLOCK = 1 << 13  # vocabulary entries: small enough for a block of logits to stay in the CPU's cache
ROWS = 512  # rows at a time


@torch.inference_mode()
def token_logprobs(model: Any, hidden: torch.Tensor, rows: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability (nats, float32) of `tokens[i]` after `hidden[rows[i]]`, and whether no token is likelier.

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
    """One pass over the vocabulary, keeping the largest logit and the sum of exponentials relative to it."""
    best = torch.full((len(hidden),), -torch.inf, device=hidden.device)
    total = torch.zeros(len(hidden), device=hidden.device)
    wanted = torch.empty(len(tokens), device=hidden.device)
    for start, logits in logit_blocks(model, hidden):
        inside = ((tokens >= start) & (tokens < start + logits.shape[1])).nonzero().squeeze(1)
        wanted[inside] = logits[rows[inside], tokens[inside] - start]
        peak = torch.maximum(best, logits.amax(dim=1))
        total = total * (best - peak).exp() + logits.sub_(peak[:, None]).exp_().sum(dim=1)
        best = peak
    return wanted - (best + total.log())[rows], wanted >= best[rows]


def logit_blocks(model: Any, hidden: torch.Tensor, block: int = BLOCK) -> Iterator[tuple[int, torch.Tensor]]:
    """Logits of `hidden` [rows, hidden size], float32, `block` vocabulary entries at a time, with the first entry's id."""
    head = model.get_output_embeddings()
    softcap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    for start in range(0, head.weight.shape[0], block):
        bias = None if head.bias is None else head.bias[start : start + block]
        logits = torch.nn.functional.linear(hidden, head.weight[start : start + block], bias).float()
        yield start, torch.tanh(logits / softcap) * softcap if softcap else logits
