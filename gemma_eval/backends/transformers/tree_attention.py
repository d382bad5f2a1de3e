"""Attention over packed prefix trees, as an attention function registered with transformers.

The model code stays Hugging Face's own. A forward that carries `tree=` a context attends as the context says: `TreeContext` for
packed trees under a kept path, `DecodeContext` for one token of many rows. Any other forward is plain SDPA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch.nn import functional
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

TREE_ATTENTION = "gemma_eval_tree_sdpa"
GROWTH = 64  # tokens by which slots grow
QUERIES_CPU, QUERIES = 256, 1024  # packed tokens in one block of attention

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


class _Block(NamedTuple):
    """Packed tokens `rows` as queries, and all that any of them may look at: the path from `skip` on, and the packed tokens `columns`.

    `mask` [rows, path from skip on + columns] is added to attention scores: 0 where a token may look, else -inf.
    """

    rows: slice
    skip: int
    columns: torch.Tensor
    mask: torch.Tensor


@dataclass
class TreeContext:
    """What one pass tells every attention layer.

    `depth` [tokens]: position of each packed token; `end` [tokens]: one past its last descendant in the pack; `until` [tokens]: one
    past the last token it may look at, itself or the end of its image.
    `path`: per kept node above the pack, its keys and values by layer. With `keep`, this pass's own are stored in `kept`.

    Queries go in blocks, each with the keys that some token of the block can see: most pairs of packed tokens stand on different
    branches, and in sliding layers most of a long path is out of sight.
    """

    depth: torch.Tensor
    end: torch.Tensor
    until: torch.Tensor
    path: list[dict[int, KeyValues]] = field(default_factory=list)
    keep: bool = False
    kept: dict[int, KeyValues] = field(default_factory=dict)
    _blocks: dict[tuple[int | None, torch.device], list[_Block]] = field(default_factory=dict)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, window: int | None
    ) -> torch.Tensor:
        if self.keep:
            self.kept[layer] = (key, value)
        output = torch.empty_like(query)
        for rows, skip, columns, mask in self.blocks(window, query.device, query.dtype):
            above = _from(skip, [node[layer] for node in self.path])
            keys = torch.cat([*(k for k, _ in above), key[:, :, columns]], dim=2)
            values = torch.cat([*(v for _, v in above), value[:, :, columns]], dim=2)
            output[:, :, rows] = functional.scaled_dot_product_attention(
                query[:, :, rows], keys, values, attn_mask=mask, scale=scaling, enable_gqa=True
            )
        return output

    def blocks(self, window: int | None, device: torch.device, dtype: torch.dtype) -> list[_Block]:
        """The blocks for layers of this window (None: full attention) on this device."""
        if (window, device) not in self._blocks:
            size = QUERIES_CPU if device.type == "cpu" else QUERIES
            starts = range(0, len(self.depth), size)
            self._blocks[window, device] = [self._block(start, start + size, window, device, dtype) for start in starts]
        return self._blocks[window, device]

    def _block(self, start: int, stop: int, window: int | None, device: torch.device, dtype: torch.dtype) -> _Block:
        depth, end, until = self.depth.to(device), self.end.to(device), self.until[start:stop].to(device)
        index = torch.arange(len(depth), device=device)
        reach = depth[start:stop].min() - (window or 0)  # positions up to here no token of the block sees in a sliding layer
        seen = (index < until.max()) & (end > start) & (depth > (reach if window else -1))
        skip = max(0, int(reach) + 1) if window else 0
        columns, rows = index[seen], index[start:stop]
        skip = min(skip, length := path_length(self.path))
        allowed = (columns[None, :] < until[:, None]) & (rows[:, None] < end[columns][None, :])
        allowed = torch.cat([allowed.new_ones(len(rows), length - skip), allowed], dim=1)
        if window is not None:
            positions = torch.cat([torch.arange(skip, length, device=device), depth[columns]])
            allowed &= depth[start:stop, None] - positions[None, :] < window
        mask = torch.zeros_like(allowed, dtype=dtype).masked_fill_(~allowed, -torch.inf)
        return _Block(slice(start, stop), skip, columns, mask)


def _from(skip: int, parts: Sequence[KeyValues]) -> list[KeyValues]:
    """Keys and values of a path without its first `skip` tokens."""
    visible = []
    for keys, values in parts:
        drop = min(skip, keys.shape[2])
        skip -= drop
        if drop < keys.shape[2]:
            visible.append((keys[:, :, drop:], values[:, :, drop:]))
    return visible


class Slots:
    """Keys and values that belong to single rows, by layer. Rows come and go.

    Keys are kept transposed, [rows, key-value heads, head dim, capacity], as their product with a query wants them (several times
    faster on CPU); values are [rows, key-value heads, capacity, head dim].
    """

    def __init__(self) -> None:
        self._layers: dict[int, KeyValues] = {}
        self.lengths = torch.zeros(0, dtype=torch.long)  # tokens in use, by row
        self._capacity = 0

    def add(self, rows: Sequence[dict[int, KeyValues]]) -> None:
        """New rows, each with its own keys and values by layer."""
        lengths = torch.tensor([next(iter(row.values()))[0].shape[2] for row in rows])
        self._widen(max(self._capacity, int(lengths.max()) + GROWTH))
        for layer in rows[0]:
            keys = torch.cat([_widened(row[layer][0].transpose(2, 3), 3, self._capacity) for row in rows])
            values = torch.cat([_widened(row[layer][1], 2, self._capacity) for row in rows])
            if layer in self._layers:
                keys, values = torch.cat([self._layers[layer][0], keys]), torch.cat([self._layers[layer][1], values])
            self._layers[layer] = keys, values
        self.lengths = torch.cat([self.lengths, lengths])

    def keep(self, rows: list[int]) -> None:
        """Drop all rows but these."""
        index = torch.tensor(rows, dtype=torch.long)
        self._layers = {layer: (k[index.to(k.device)], v[index.to(v.device)]) for layer, (k, v) in self._layers.items()}
        self.lengths = self.lengths[index]

    def grow(self) -> None:
        """Make room for one more token of each row, and count it."""
        if int(self.lengths.max()) == self._capacity:
            self._widen(self._capacity + GROWTH)
        self.lengths = self.lengths + 1

    def write(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> KeyValues:
        """Store the newest token of each row (`key` [1, key-value heads, rows, head dim]); all keys and values in use."""
        keys, values = self._layers[layer]
        rows, last = torch.arange(keys.shape[0], device=keys.device), (self.lengths - 1).to(keys.device)
        keys[rows, :, :, last] = key[0].transpose(0, 1)
        values[rows, :, last] = value[0].transpose(0, 1)
        used = int(self.lengths.max())
        return keys[..., :used], values[:, :, :used]

    def _widen(self, capacity: int) -> None:
        self._layers = {layer: (_widened(k, 3, capacity), _widened(v, 2, capacity)) for layer, (k, v) in self._layers.items()}
        self._capacity = capacity


def _widened(tensor: torch.Tensor, dim: int, size: int) -> torch.Tensor:
    """`tensor` with zeros after it in `dim`, up to `size`."""
    more = list(tensor.shape)
    more[dim] = size - tensor.shape[dim]
    return torch.cat([tensor, tensor.new_zeros(more)], dim=dim)


class DecodePath:
    """Keys and values that all rows of a batch share, by layer; keys transposed as in `Slots`. May be empty."""

    def __init__(self, path: Sequence[dict[int, KeyValues]]) -> None:
        self.length = path_length(path)
        self._layers: dict[int, KeyValues] = {}
        for layer in path[0] if path else ():
            keys, values = (torch.cat([node[layer][part] for node in path], dim=2)[0] for part in (0, 1))
            self._layers[layer] = keys.transpose(1, 2).contiguous(), values

    def visible(self, layer: int, skip: int) -> KeyValues | None:
        """Keys [key-value heads, head dim, tokens] and values [key-value heads, tokens, head dim] from position `skip` on."""
        if skip >= self.length:
            return None
        keys, values = self._layers[layer]
        return keys[:, :, skip:], values[:, skip:]


class DecodeContext:
    """One new token of each row (`depth` [rows]: its position), under a path that all rows share.

    `query` is [1, heads, rows, head dim]: the rows stand side by side as if they were tokens of one sequence.
    """

    def __init__(self, depth: torch.Tensor, path: DecodePath, slots: Slots) -> None:
        self._depth = depth
        self._path = path
        self._slots = slots
        self._masks: dict[tuple[int | None, torch.device], tuple[int, torch.Tensor]] = {}
        slots.grow()

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, window: int | None
    ) -> torch.Tensor:
        own_keys, own_values = self._slots.write(layer, key, value)
        skip, mask = self._mask(window, query.device)
        path = self._path.visible(layer, skip)
        rows, heads, dim, _ = own_keys.shape
        groups = query.shape[1] // heads
        grouped = query[0].transpose(0, 1).reshape(rows, heads, groups, dim) * (dim**-0.5 if scaling is None else scaling)
        scores = grouped @ own_keys
        if path:  # all rows at once against the one copy of the path
            together = grouped.transpose(0, 1).reshape(heads, rows * groups, dim) @ path[0]
            scores = torch.cat([together.view(heads, rows, groups, -1).transpose(0, 1), scores], dim=3)
        weights = (scores.float() + mask).softmax(dim=3).to(value.dtype)
        above = scores.shape[3] - own_keys.shape[3]
        output = weights[..., above:] @ own_values
        if path:
            together = weights[..., :above].transpose(0, 1).reshape(heads, rows * groups, above) @ path[1]
            output = output + together.view(heads, rows, groups, dim).transpose(0, 1)
        return output.reshape(1, rows, heads * groups, dim).transpose(1, 2)

    def _mask(self, window: int | None, device: torch.device) -> tuple[int, torch.Tensor]:
        """The path tokens that no row sees, and what is added to scores [rows, 1, 1, rest of path + slot]: 0 or -inf."""
        if (window, device) not in self._masks:
            depth, lengths = self._depth.to(device), self._slots.lengths.to(device)
            skip = 0 if window is None else min(max(0, int(depth.min()) - window + 1), self._path.length)
            positions = torch.arange(skip, self._path.length + int(lengths.max()), device=device)
            allowed = positions[None, :] < (self._path.length + lengths)[:, None]
            if window is not None:
                allowed &= depth[:, None] - positions[None, :] < window
            mask = torch.zeros(allowed.shape, device=device).masked_fill_(~allowed, -torch.inf)
            self._masks[window, device] = skip, mask[:, None, None]
        return self._masks[window, device]


@torch.compiler.disable  # type: ignore[untyped-decorator]
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
