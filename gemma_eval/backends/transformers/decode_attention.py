"""Attention of a decoding step: one new token of every row, each under the path of its group and under its own slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from gemma_eval.backends.transformers.tree_attention import KeyValues, path_length

GROWTH = 64  # tokens by which shapes change, of slots that grow and of a path that leaves a sliding window


class Slots:
    """Keys and values that belong to single rows, by layer. Rows come and go.

    Keys are kept transposed, [rows, key-value heads, head dim, capacity], which makes their product with a query several times faster on a
    CPU. Values are [rows, key-value heads, capacity, head dim]. Attention reads them whole and masks unused places, since a part of them
    would be copied first. A layer with a window has no more places than that: token i of a row stands at i modulo capacity, so that the
    newest replaces one that is out of sight.
    """

    def __init__(self) -> None:
        self._layers: dict[int, KeyValues] = {}  # with places for more rows than there are now
        self.lengths = torch.zeros(0, dtype=torch.long)  # tokens so far, by row
        self._capacity = 0

    def capacity(self, window: int | None) -> int:
        """Tokens of a row for which a layer of this window has places."""
        return self._capacity if window is None else min(self._capacity, _rounded(window))

    def held(self, window: int | None) -> torch.Tensor:
        """Which of its tokens a row has at each place, [rows, capacity]; negative: none yet."""
        last = self.lengths[:, None] - 1
        return last - (last - torch.arange(capacity := self.capacity(window))) % capacity

    def add(self, rows: Sequence[dict[int, KeyValues]]) -> None:
        """Add rows, each with its own keys and values by layer."""
        lengths = torch.tensor([next(iter(row.values())).keys.shape[2] for row in rows])
        self._widen(max(self._capacity, _rounded(int(lengths.max()) + 1)))
        first = len(self.lengths)
        for layer, new in rows[0].items():
            keys, values, window = self._with_places(layer, new, first + len(rows))
            for place, row in enumerate(rows, first):
                keys[place] = self._placed(row[layer].keys, window).transpose(2, 3)[0]
                values[place] = self._placed(row[layer].values, window)[0]
            self._layers[layer] = KeyValues(keys, values, window)
        self.lengths = torch.cat([self.lengths, lengths])

    def keep(self, stay: Sequence[bool]) -> list[int]:
        """Drop the rows that do not stay. The last rows take their places; returns which row stands at each place now."""
        count = sum(stay)
        last = (row for row in reversed(range(count, len(stay))) if stay[row])
        order = [row if stay[row] else next(last) for row in range(count)]
        for layer, (keys, values, window) in self._layers.items():
            for place, row in enumerate(order):
                if place != row:
                    keys[place], values[place] = keys[row], values[row]
            if count < len(keys) // 2:
                self._layers[layer] = KeyValues(keys[:count].clone(), values[:count].clone(), window)
        self.lengths = self.lengths[order]
        return order

    def grow(self) -> None:
        """Give each row a place for one more token, and count it."""
        if int(self.lengths.max()) == self._capacity:
            self._widen(self._capacity + GROWTH)
        self.lengths = self.lengths + 1

    def write(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the newest token of each row. `key` and `value`: [rows, key-value heads, head dim]. Returns all keys and values."""
        keys, values, window = self._layers[layer]
        count = len(self.lengths)
        keys, values = keys[:count], values[:count]
        rows, last = torch.arange(count, device=keys.device), ((self.lengths - 1) % self.capacity(window)).to(keys.device)
        keys[rows, :, :, last] = key
        values[rows, :, last] = value
        return keys, values

    def _placed(self, tokens: torch.Tensor, window: int | None) -> torch.Tensor:
        """A new row's tokens [1, key-value heads, tokens, head dim], each at its place; the last ones, if there are more than places."""
        count, capacity = tokens.shape[2], self.capacity(window)
        return _widened(tokens, 2, capacity) if count <= capacity else tokens[:, :, -capacity:].roll(count % capacity, 2)

    def _with_places(self, layer: int, like: KeyValues, count: int) -> KeyValues:
        """A layer's keys and values with places for `count` rows, or half as many more if they have to be copied for that."""
        (_, heads, _, dim), capacity = like.keys.shape, self.capacity(like.window)
        found = self._layers.get(layer)
        if found and len(found.keys) >= count:
            return found
        places, old = count + count // 2, len(self.lengths)
        keys, values = (
            like.keys.new_empty(places, heads, dim, capacity),
            like.values.new_empty(places, heads, capacity, like.values.shape[3]),
        )
        if found:
            keys[:old], values[:old] = found.keys[:old], found.values[:old]
        return KeyValues(keys, values, like.window)

    def _widen(self, capacity: int) -> None:
        """Give rows places for so many tokens in layers without a window, and for as many as the window takes in the others."""
        if capacity == self._capacity:
            return
        self._capacity = capacity
        for layer, (keys, values, window) in self._layers.items():
            capacity, count = self.capacity(window), len(self.lengths)
            if keys.shape[3] < capacity:
                self._layers[layer] = KeyValues(_widened(keys[:count], 3, capacity), _widened(values[:count], 2, capacity), window)


def _rounded(tokens: int) -> int:
    return -(-tokens // GROWTH) * GROWTH


def _widened(tensor: torch.Tensor, dim: int, size: int) -> torch.Tensor:
    """`tensor` with zeros appended in `dim`, up to `size`."""
    more = list(tensor.shape)
    more[dim] = size - tensor.shape[dim]
    return torch.cat([tensor, tensor.new_zeros(more)], dim=dim)


class DecodePath:
    """Keys and values that all rows of a group share, by layer. Keys are transposed as in `Slots`. It may be empty."""

    def __init__(self, path: Sequence[dict[int, KeyValues]]) -> None:
        self.length = path_length(path)
        self._layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        for layer in path[0] if path else ():
            keys = torch.cat([node[layer].keys for node in path], dim=2)[0]
            self._layers[layer] = keys.transpose(1, 2).contiguous(), torch.cat([node[layer].values for node in path], dim=2)[0]

    def visible(self, layer: int, skip: int) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Keys [key-value heads, head dim, tokens] and values [key-value heads, tokens, head dim] from position `skip` on, if any."""
        if skip >= self.length:
            return None
        keys, values = self._layers[layer]
        return keys[:, :, skip:], values[:, skip:]


class Members(NamedTuple):
    """Rows under the same path. `depth` [rows]: position of each one's new token."""

    path: DecodePath
    slots: Slots
    depth: torch.Tensor


class DecodeContext:
    """One new token of each row of several groups, side by side as if they were tokens of one sequence.

    Everything outside attention is computed for all groups at once, since reading the weights is most of a step's time.
    """

    def __init__(self, groups: Sequence[Members]) -> None:
        for group in groups:
            group.slots.grow()
        self._groups = [_Group(members) for members in groups]

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, window: int | None
    ) -> torch.Tensor:
        """`query` [1, heads, rows, head dim] -> [1, rows, heads, head dim]."""
        scale = query.shape[3] ** -0.5 if scaling is None else scaling
        sizes = [len(group.depth) for group in self._groups]
        by_row = [torch.split(tensor[0].transpose(0, 1), sizes) for tensor in (query * scale, key, value)]
        outputs = [group.attend(layer, *parts, window) for group, *parts in zip(self._groups, *by_row, strict=True)]
        return torch.cat(outputs)[None]


class _Group:
    """A group's attention in one step. Masks are made once for all layers of a window."""

    def __init__(self, members: Members) -> None:
        self._path, self._slots, self.depth = members
        self._masks: dict[tuple[int | None, torch.device], tuple[int, torch.Tensor]] = {}

    def attend(self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int | None) -> torch.Tensor:
        """All are [rows, heads or key-value heads, head dim], and `query` is scaled already."""
        own_keys, own_values = self._slots.write(layer, key, value)
        skip, mask = self._mask(window, query.device)
        path = self._path.visible(layer, skip)
        rows, heads, dim, capacity = own_keys.shape
        groups = query.shape[1] // heads
        grouped = query.reshape(rows, heads, groups, dim)
        scores = grouped @ own_keys
        if path:  # all rows at once, against one copy of the path
            together = grouped.transpose(0, 1).reshape(heads, rows * groups, dim) @ path[0]
            scores = torch.cat([together.view(heads, rows, groups, -1).transpose(0, 1), scores], dim=3)
        weights = (scores.float() + mask).softmax(dim=3).to(value.dtype)
        above = scores.shape[3] - capacity
        output = weights[..., above:] @ own_values
        if path:
            together = weights[..., :above].transpose(0, 1).reshape(heads, rows * groups, above) @ path[1]
            output = output + together.view(heads, rows, groups, dim).transpose(0, 1)
        return output.reshape(rows, heads * groups, dim)

    def _mask(self, window: int | None, device: torch.device) -> tuple[int, torch.Tensor]:
        """How many tokens of the path no row sees, and the mask to add to scores, [rows, 1, 1, rest of path + capacity]: 0 or -inf."""
        if (window, device) not in self._masks:
            length, held = self._path.length, self._slots.held(window)
            skip = 0 if window is None else min(max(0, int(self.depth.min()) - window + 1) // GROWTH * GROWTH, length)
            path = torch.arange(skip, length).expand(len(held), -1)
            positions = torch.cat([path, length + held], dim=1)
            allowed = torch.cat([path >= 0, held >= 0], dim=1)
            if window is not None:
                allowed &= self.depth[:, None] - positions < window
            mask = torch.zeros(allowed.shape).masked_fill_(~allowed, -torch.inf)
            self._masks[window, device] = skip, mask[:, None, None].to(device)
        return self._masks[window, device]
