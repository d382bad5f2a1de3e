"""The output head on needed rows only, in vocabulary blocks.

Gemma's vocabulary has 262,144 entries: logits of a whole prompt would be 1 MiB a token in float32. Here no tensor is
larger than rows x one block, and the log-sum-exp is taken in float32.
"""

from __future__ import annotations

from typing import Any

import torch

BLOCK = 1 << 15  # vocabulary entries
ROWS = 512  # rows at a time


@torch.inference_mode()
def token_logprobs(model: Any, hidden: torch.Tensor, rows: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability (nats, float32) of `tokens[i]` after `hidden[rows[i]]`, and whether it is the likeliest token.

    hidden: [rows, hidden size]; rows, tokens: [targets]. Each row goes through the head once, however many targets it has.
    """
    head = model.get_output_embeddings()
    softcap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    device = head.weight.device
    hidden, rows, tokens = hidden.to(device), rows.to(device), tokens.to(device)
    total = torch.full((len(hidden),), -torch.inf, device=device)
    best = torch.full((len(hidden),), -torch.inf, device=device)
    likeliest = torch.zeros(len(hidden), dtype=torch.long, device=device)
    wanted = torch.empty(len(tokens), device=device)
    for first_row in range(0, len(hidden), ROWS):
        chunk = slice(first_row, first_row + ROWS)
        here = ((rows >= first_row) & (rows < first_row + ROWS)).nonzero().squeeze(1)
        for start in range(0, head.weight.shape[0], BLOCK):
            bias = None if head.bias is None else head.bias[start : start + BLOCK]
            logits = torch.nn.functional.linear(hidden[chunk], head.weight[start : start + BLOCK], bias).float()
            if softcap:
                logits = torch.tanh(logits / softcap) * softcap
            total[chunk] = torch.logaddexp(total[chunk], logits.logsumexp(dim=1))
            peak, at = logits.max(dim=1)
            better = peak > best[chunk]
            likeliest[chunk] = torch.where(better, at + start, likeliest[chunk])
            best[chunk] = torch.where(better, peak, best[chunk])
            inside = here[(tokens[here] >= start) & (tokens[here] < start + BLOCK)]
            wanted[inside] = logits[rows[inside] - first_row, tokens[inside] - start]
    return (wanted - total[rows]).cpu(), (likeliest[rows] == tokens).cpu()
