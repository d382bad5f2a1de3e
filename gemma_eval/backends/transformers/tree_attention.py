"""Attention over packed prefix trees, as an attention function registered with transformers.

The model code stays Hugging Face's own. A forward that carries `tree=` a context attends as the context says: `TreeContext` for
packed trees under a kept path, `DecodeContext` for one token of many rows. Any other forward is plain SDPA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch.nn import functional
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

TREE_ATTENTION = "gemma_eval_tree_sdpa"
GROWTH = 64  # tokens by which slots grow

KeyValues = tuple[torch.Tensor, torch.Tensor]
"""Keys and values of some tokens in one layer, each [1, key-value heads, tokens, head dim]."""


class Context(Protocol):
    """How the tokens of a forward attend. `query` [1, heads, tokens, head dim]; answers the same shape."""

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, window: int | None
    ) -> torch.Tensor: ...


def path_length(path: Sequence[dict[int, KeyValues]]) -> int:
    """Tokens in a path of kept nodes."""
    return sum(next(iter(node.values()))[0].shape[2] for node in path)


def merged(path: Sequence[dict[int, KeyValues]]) -> dict[int, KeyValues]:
    """The keys and values of a path as one node's."""
    return {layer: (torch.cat([n[layer][0] for n in path], dim=2), torch.cat([n[layer][1] for n in path], dim=2)) for layer in path[0]}


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

    def _hidden_above(self, window: int | None) -> int:
        return 0 if window is None else max(0, path_length(self.path) - window + 1)

    def mask(self, window: int | None, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """What is added to attention scores, [tokens, visible path + tokens]: 0 where a packed token may look, else -inf."""
        if (window, device) not in self._masks:
            depth, end = self.depth.to(device), self.end.to(device)
            index = torch.arange(len(depth), device=device)
            allowed = (index[None, :] <= index[:, None]) & (index[:, None] < end[None, :])
            above = torch.arange(self._hidden_above(window), path_length(self.path), device=device)
            positions = torch.cat([above, depth])
            allowed = torch.cat([allowed.new_ones(len(depth), len(above)), allowed], dim=1)
            if window is not None:
                allowed &= depth[:, None] - positions[None, :] < window
            self._masks[window, device] = torch.zeros_like(allowed, dtype=dtype).masked_fill_(~allowed, -torch.inf)
        return self._masks[window, device]

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, window: int | None
    ) -> torch.Tensor:
        if self.keep:
            self.kept[layer] = (key, value)
        above = self.above(layer, window)
        keys = torch.cat([*(k for k, _ in above), key], dim=2)
        values = torch.cat([*(v for _, v in above), value], dim=2)
        return functional.scaled_dot_product_attention(
            query, keys, values, attn_mask=self.mask(window, query.device, query.dtype), scale=scaling, enable_gqa=True
        )


class Slots:
    """Keys and values that belong to single rows, by layer: [rows, key-value heads, capacity, head dim]. Rows come and go."""

    def __init__(self) -> None:
        self._layers: dict[int, KeyValues] = {}
        self.lengths = torch.zeros(0, dtype=torch.long)  # tokens in use, by row

    def add(self, rows: Sequence[dict[int, KeyValues]]) -> None:
        """New rows, each with its own keys and values by layer."""
        lengths = torch.tensor([next(iter(row.values()))[0].shape[2] for row in rows])
        capacity = max(self._capacity(), int(lengths.max()) + GROWTH)
        for layer in rows[0]:
            fresh = [torch.cat([_padded(row[layer][part], capacity) for row in rows]) for part in (0, 1)]
            if layer in self._layers:
                old = [_padded(part, capacity) for part in self._layers[layer]]
                fresh = [torch.cat(pair) for pair in zip(old, fresh, strict=True)]
            self._layers[layer] = (fresh[0], fresh[1])
        self.lengths = torch.cat([self.lengths, lengths])

    def keep(self, rows: list[int]) -> None:
        """Drop all rows but these."""
        index = torch.tensor(rows, dtype=torch.long)
        self._layers = {layer: (k[index.to(k.device)], v[index.to(v.device)]) for layer, (k, v) in self._layers.items()}
        self.lengths = self.lengths[index]

    def grow(self) -> None:
        """Make room for one more token of each row, and count it."""
        if int(self.lengths.max()) == self._capacity():
            self._layers = {
                layer: (_padded(k, k.shape[2] + GROWTH), _padded(v, v.shape[2] + GROWTH)) for layer, (k, v) in self._layers.items()
            }
        self.lengths = self.lengths + 1

    def write(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> KeyValues:
        """Store the newest token of each row (`key` [1, key-value heads, rows, head dim]); all keys and values in use."""
        keys, values = self._layers[layer]
        rows, last = torch.arange(keys.shape[0], device=keys.device), (self.lengths - 1).to(keys.device)
        keys[rows, :, last] = key[0].transpose(0, 1)
        values[rows, :, last] = value[0].transpose(0, 1)
        used = int(self.lengths.max())
        return keys[:, :, :used], values[:, :, :used]

    def _capacity(self) -> int:
        return next(iter(self._layers.values()))[0].shape[2] if self._layers else 0


def _padded(tensor: torch.Tensor, capacity: int) -> torch.Tensor:
    return functional.pad(tensor, (0, 0, 0, capacity - tensor.shape[2]))


class DecodeContext:
    """One new token of each row (`depth` [rows]: its position), under a path that all rows share (empty: none).

    `query` is [1, heads, rows, head dim]: the rows stand side by side as if they were tokens of one sequence.
    """

    def __init__(self, depth: torch.Tensor, path: dict[int, KeyValues], slots: Slots) -> None:
        self._depth = depth
        self._path = path
        self._length = path_length([path]) if path else 0
        self._slots = slots
        self._masks: dict[tuple[int | None, torch.device], torch.Tensor] = {}
        slots.grow()

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, window: int | None
    ) -> torch.Tensor:
        own_keys, own_values = self._slots.write(layer, key, value)
        rows, heads, _, dim = own_keys.shape
        groups = query.shape[1] // heads
        grouped = query[0].transpose(0, 1).reshape(rows, heads, groups, dim) * (dim**-0.5 if scaling is None else scaling)
        path_keys, path_values = (part[0] for part in self._path[layer]) if self._path else (own_keys[0, :, :0], own_values[0, :, :0])
        together = grouped.permute(1, 0, 2, 3).reshape(heads, rows * groups, dim)  # all rows against the one copy of the path
        above = (together @ path_keys.transpose(1, 2)).view(heads, rows, groups, self._length).transpose(0, 1)
        own = grouped @ own_keys.transpose(2, 3)
        scores = torch.cat([above, own], dim=3).float().masked_fill(~self._mask(window, query.device)[:, None, None], -torch.inf)
        weights = scores.softmax(dim=3).to(value.dtype)
        from_path = weights[..., : self._length].transpose(0, 1).reshape(heads, rows * groups, self._length) @ path_values
        output = from_path.view(heads, rows, groups, dim).transpose(0, 1) + weights[..., self._length :] @ own_values
        return output.reshape(1, rows, heads * groups, dim).transpose(1, 2)

    def _mask(self, window: int | None, device: torch.device) -> torch.Tensor:
        """Which key each row may look at, [rows, path + slot]."""
        if (window, device) not in self._masks:
            depth, lengths = self._depth.to(device), self._slots.lengths.to(device)
            positions = torch.arange(self._length + int(lengths.max()), device=device)
            allowed = positions[None, :] < (self._length + lengths)[:, None]
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
    tree: Context | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention signature: query [1, heads, tokens, head dim] -> ([1, tokens, heads, head dim], None)."""
    if tree is None:
        kwargs = {**kwargs, "scaling": scaling, "sliding_window": sliding_window}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)  # type: ignore[no-any-return]
    output = tree.attend(int(module.layer_idx), query, key, value, scaling, sliding_window)  # type: ignore[arg-type]
    return output.transpose(1, 2).contiguous(), None


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
