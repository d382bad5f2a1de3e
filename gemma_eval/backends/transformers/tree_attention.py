"""Attention over packed prefix trees, as an attention function registered with transformers.

The model code stays Hugging Face's own. A forward that carries `tree=TreeContext(...)` attends within a packed tree and
to the kept path above it; any other forward is plain SDPA.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

TREE_ATTENTION = "gemma_eval_tree_sdpa"

KeyValues = tuple[torch.Tensor, torch.Tensor]
"""Keys and values of some tokens in one layer, each [1, key-value heads, tokens, head dim]."""


@dataclass
class TreeContext:
    """What one pass tells every attention layer.

    `depth` [tokens]: position of each packed token; `end` [tokens]: one past its last descendant in the pack.
    `path`: per kept node above the pack, its keys and values by layer. With `keep`, this pass's own are stored in `kept`.
    """

    depth: torch.Tensor
    end: torch.Tensor
    path: list[dict[int, KeyValues]] = field(default_factory=list)
    keep: bool = False
    kept: dict[int, KeyValues] = field(default_factory=dict)
    _masks: dict[tuple[int | None, torch.device], torch.Tensor] = field(default_factory=dict)

    def above(self, layer: int, window: int | None) -> list[KeyValues]:
        """Keys and values of the path in this layer; of sliding layers only the part that the first packed token can see."""
        parts = [node[layer] for node in self.path]
        skip = self._hidden_above(window)
        visible = []
        for keys, values in parts:
            drop = min(skip, keys.shape[2])
            skip -= drop
            if drop < keys.shape[2]:
                visible.append((keys[:, :, drop:], values[:, :, drop:]))
        return visible

    def _path_length(self) -> int:
        return sum(next(iter(node.values()))[0].shape[2] for node in self.path)

    def _hidden_above(self, window: int | None) -> int:
        length = self._path_length()
        return 0 if window is None else max(0, length - window + 1)

    def mask(self, window: int | None, device: torch.device) -> torch.Tensor:
        """Which key each packed token may look at, [tokens, visible path + tokens], True where it may."""
        if (window, device) not in self._masks:
            depth, end = self.depth.to(device), self.end.to(device)
            index = torch.arange(len(depth), device=device)
            allowed = (index[None, :] <= index[:, None]) & (index[:, None] < end[None, :])
            above = torch.arange(self._hidden_above(window), self._path_length(), device=device)
            positions = torch.cat([above, depth])
            allowed = torch.cat([allowed.new_ones(len(depth), len(above)), allowed], dim=1)
            if window is not None:
                allowed &= depth[:, None] - positions[None, :] < window
            self._masks[window, device] = allowed
        return self._masks[window, device]


def tree_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    tree: TreeContext | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention signature: query [1, heads, tokens, head dim] -> ([1, tokens, heads, head dim], None)."""
    if tree is None:
        kwargs = {**kwargs, "scaling": scaling, "sliding_window": sliding_window}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)  # type: ignore[no-any-return]
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    if tree.keep:
        tree.kept[layer] = (key, value)
    above = tree.above(layer, sliding_window)
    keys = torch.cat([*(k for k, _ in above), key], dim=2)
    values = torch.cat([*(v for _, v in above), value], dim=2)
    groups = query.shape[1] // key.shape[1]
    output = functional.scaled_dot_product_attention(
        query,
        keys.repeat_interleave(groups, dim=1) if keys.shape[1] > 1 else keys.expand(-1, groups, -1, -1),
        values.repeat_interleave(groups, dim=1) if values.shape[1] > 1 else values.expand(-1, groups, -1, -1),
        attn_mask=tree.mask(sliding_window, query.device),
        scale=scaling,
    )
    return output.transpose(1, 2).contiguous(), None


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
