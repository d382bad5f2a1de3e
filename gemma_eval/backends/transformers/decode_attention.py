"""Attention of a decoding step: one new token of every row, each under the kept path of its own group and its own slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from gemma_eval.backends.transformers.tree_attention import KeyValues, path_length

GROWTH = 64  # tokens by which shapes change: of slots as they grow, of a path as it falls out of a sliding window


class Slots:
    """Keys and values that belong to single rows, by layer. Rows come and go.

    Keys are kept transposed, [rows, key-value heads, head dim, capacity], as their product with a query wants them (several times
    faster on CPU); values are [rows, key-value heads, capacity, head dim]. Attention reads them whole, unused room being masked: a
    part of them would be copied first.
    """

    def __init__(self) -> None:
        self._layers: dict[int, KeyValues] = {}
        self.lengths = torch.zeros(0, dtype=torch.long)  # tokens in use, by row
        self.capacity = 0

    def add(self, rows: Sequence[dict[int, KeyValues]]) -> None:
        """New rows, each with its own keys and values by layer."""
        lengths = torch.tensor([next(iter(row.values()))[0].shape[2] for row in rows])
        self._widen(max(self.capacity, int(lengths.max()) + GROWTH))
        for layer in rows[0]:
            keys = torch.cat([_widened(row[layer][0].transpose(2, 3), 3, self.capacity) for row in rows])
            values = torch.cat([_widened(row[layer][1], 2, self.capacity) for row in rows])
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
        if int(self.lengths.max()) == self.capacity:
            self._widen(self.capacity + GROWTH)
        self.lengths = self.lengths + 1

    def write(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> KeyValues:
        """Store the newest token of each row (`key` [rows, key-value heads, head dim]); all keys and values."""
        keys, values = self._layers[layer]
        rows, last = torch.arange(keys.shape[0], device=keys.device), (self.lengths - 1).to(keys.device)
        keys[rows, :, :, last] = key
        values[rows, :, last] = value
        return keys, values

    def _widen(self, capacity: int) -> None:
        self._layers = {layer: (_widened(k, 3, capacity), _widened(v, 2, capacity)) for layer, (k, v) in self._layers.items()}
        self.capacity = capacity


def _widened(tensor: torch.Tensor, dim: int, size: int) -> torch.Tensor:
    """`tensor` with zeros after it in `dim`, up to `size`."""
    more = list(tensor.shape)
    more[dim] = size - tensor.shape[dim]
    return torch.cat([tensor, tensor.new_zeros(more)], dim=dim)


class DecodePath:
    """Keys and values that all rows of a group share, by layer; keys transposed as in `Slots`. May be empty."""

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


class Members(NamedTuple):
    """Rows that stand under the same path. `depth` [rows]: position of each one's new token."""

    path: DecodePath
    slots: Slots
    depth: torch.Tensor


class DecodeContext:
    """One new token of each row of several groups, side by side as if they were tokens of one sequence.

    Everything outside attention is computed for all groups at once: reading the weights is most of a step's time.
    """

    def __init__(self, groups: Sequence[Members]) -> None:
        for group in groups:
            group.slots.grow()
        self._groups = [_Group(members) for members in groups]

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, window: int | None
    ) -> torch.Tensor:
        """`query` [1, heads, rows, head dim] -> the same shape."""
        scale = query.shape[3] ** -0.5 if scaling is None else scaling
        sizes = [len(group.depth) for group in self._groups]
        by_row = [torch.split(tensor[0].transpose(0, 1), sizes) for tensor in (query * scale, key, value)]
        outputs = [group.attend(layer, *parts, window) for group, *parts in zip(self._groups, *by_row, strict=True)]
        return torch.cat(outputs).transpose(0, 1)[None]


class _Group:
    """A group's attention in one step; masks are made once for all layers of a window."""

    def __init__(self, members: Members) -> None:
        self._path, self._slots, self.depth = members
        self._masks: dict[tuple[int | None, torch.device], tuple[int, torch.Tensor]] = {}

    def attend(self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int | None) -> torch.Tensor:
        """All [rows, heads or key-value heads, head dim]; `query` is scaled."""
        own_keys, own_values = self._slots.write(layer, key, value)
        skip, mask = self._mask(window, query.device)
        path = self._path.visible(layer, skip)
        rows, heads, dim, room = own_keys.shape
        groups = query.shape[1] // heads
        grouped = query.reshape(rows, heads, groups, dim)
        scores = grouped @ own_keys
        if path:  # all rows at once against the one copy of the path
            together = grouped.transpose(0, 1).reshape(heads, rows * groups, dim) @ path[0]
            scores = torch.cat([together.view(heads, rows, groups, -1).transpose(0, 1), scores], dim=3)
        weights = (scores.float() + mask).softmax(dim=3).to(value.dtype)
        above = scores.shape[3] - room
        output = weights[..., above:] @ own_values
        if path:
            together = weights[..., :above].transpose(0, 1).reshape(heads, rows * groups, above) @ path[1]
            output = output + together.view(heads, rows, groups, dim).transpose(0, 1)
        return output.reshape(rows, heads * groups, dim)

    def _mask(self, window: int | None, device: torch.device) -> tuple[int, torch.Tensor]:
        """The path tokens left out, which no row sees, and what is added to scores [rows, 1, 1, rest of path + slot]: 0 or -inf."""
        if (window, device) not in self._masks:
            depth, lengths = self.depth.to(device), self._slots.lengths.to(device)
            skip = 0 if window is None else min(max(0, int(depth.min()) - window + 1) // GROWTH * GROWTH, self._path.length)
            positions = torch.arange(skip, self._path.length + self._slots.capacity, device=device)
            allowed = positions[None, :] < (self._path.length + lengths)[:, None]
            if window is not None:
                allowed &= depth[:, None] - positions[None, :] < window
            mask = torch.zeros(allowed.shape, device=device).masked_fill_(~allowed, -torch.inf)
            self._masks[window, device] = skip, mask[:, None, None]
        return self._masks[window, device]
