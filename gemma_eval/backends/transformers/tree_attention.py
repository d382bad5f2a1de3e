"""Attention over packed prefix trees, as an attention function registered with transformers.

The model code stays Hugging Face's own. A forward with an argument `tree` attends as that context says: a `TreeContext` for packed trees
under a kept path, a `DecodeContext` (`decode_attention.py`) for one token of many rows. Any other forward is ordinary SDPA.
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
QUERIES_CPU, QUERIES = 256, 1024  # packed tokens in one block of attention
# Passes and the keys of a block are padded to multiples of this. On a CPU, attention to 277 keys takes four times as long as to 288, and
# the matrix library keeps a kernel for each shape that it has seen.
ROUND = 32


class KeyValues(NamedTuple):
    """Keys and values of some tokens in one layer, each [1, key-value heads, tokens, head dim], and the layer's window, if it has one."""

    keys: torch.Tensor
    values: torch.Tensor
    window: int | None

    def at(self, tokens: torch.Tensor | slice) -> KeyValues:
        """Those of some tokens."""
        if isinstance(tokens, torch.Tensor):
            tokens = tokens.to(self.keys.device)
        return KeyValues(self.keys[:, :, tokens], self.values[:, :, tokens], self.window)


class Context(Protocol):
    """How the tokens of a forward attend to each other and to what was computed before."""

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, window: int | None
    ) -> torch.Tensor:
        """The layer's attention output [1, tokens, heads, head dim]. `query` is [1, heads, tokens, head dim], `key` and `value`
        [1, key-value heads, tokens, head dim]."""
        ...


def path_length(path: Sequence[dict[int, KeyValues]]) -> int:
    """Tokens in a path of kept nodes."""
    return sum(next(iter(node.values())).keys.shape[2] for node in path)


class _Block(NamedTuple):
    """Packed tokens `rows` as queries, and all that one of them may attend to: the path from `skip` on, and the packed tokens of `runs`.

    `mask` [rows, path from skip on + runs] is added to attention scores: 0 where a token may attend, else -inf.
    """

    rows: slice
    skip: int
    runs: list[slice]
    mask: torch.Tensor


@dataclass
class TreeContext:
    """What one pass tells every attention layer.

    `depth` [tokens]: position of each packed token; `end` [tokens]: one past its last descendant in the pack; `until` [tokens]: one past
    the last token that it may attend to, itself or the end of its image. `path`: keys and values by layer, of each kept node above the
    pack. With `keep`, those of this pass are stored in `kept`.

    Queries go in blocks, each with the keys that one of its tokens can see. Most pairs of packed tokens stand on different branches, and in
    sliding layers most of a long path is out of sight. The pack is padded to a multiple of `ROUND` tokens.
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
        """See `Context`. The tokens are those of the pack, and `window` is the layer's sliding window, if it has one."""
        if self.keep:
            self.kept[layer] = KeyValues(key, value, window)
        outputs = []
        for rows, skip, runs, mask in self.blocks(window, query.device, query.dtype):
            above = _from(skip, [node[layer] for node in self.path])
            keys = torch.cat([*(part.keys for part in above), *(key[:, :, run] for run in runs)], dim=2)
            values = torch.cat([*(part.values for part in above), *(value[:, :, run] for run in runs)], dim=2)
            outputs.append(
                functional.scaled_dot_product_attention(
                    query[:, :, rows], keys, values, attn_mask=mask, scale=scaling, enable_gqa=True
                ).transpose(1, 2)
            )
        return torch.cat(outputs, dim=1)

    def blocks(self, window: int | None, device: torch.device, dtype: torch.dtype) -> list[_Block]:
        """The blocks for layers of this window (None: full attention), on this device."""
        if (window, device) not in self._blocks:
            size = QUERIES_CPU if device.type == "cpu" else QUERIES
            starts = range(0, len(self.depth), size)
            self._blocks[window, device] = [self._block(start, start + size, window, device, dtype) for start in starts]
        return self._blocks[window, device]

    def _block(self, start: int, stop: int, window: int | None, device: torch.device, dtype: torch.dtype) -> _Block:
        """The block of the packed tokens from `start` to `stop`."""
        depth, end, until = self.depth.to(device), self.end.to(device), self.until[start:stop].to(device)
        index = torch.arange(len(depth), device=device)
        reach = depth[start:stop].min() - (window or 0)  # in a sliding layer, no token of the block sees positions up to here
        seen = (index < until.max()) & (end > start) & (depth > (reach if window else -1))
        skip = max(0, int(reach) + 1) if window else 0
        columns, rows = index[seen], index[start:stop]
        skip = min(skip, length := path_length(self.path))
        allowed = (columns[None, :] < until[:, None]) & (rows[:, None] < end[columns][None, :])
        allowed = torch.cat([allowed.new_ones(len(rows), length - skip), allowed], dim=1)
        if window is not None:
            positions = torch.cat([torch.arange(skip, length, device=device), depth[columns]])
            allowed &= depth[start:stop, None] - positions[None, :] < window
        padding = -allowed.shape[1] % ROUND  # the first tokens once more, masked
        allowed = functional.pad(allowed, (0, padding))
        mask = torch.zeros_like(allowed, dtype=dtype).masked_fill_(~allowed, -torch.inf)
        return _Block(slice(start, stop), skip, [*_runs(columns), slice(padding)], mask)


def _runs(indices: torch.Tensor) -> list[slice]:
    """Ascending indices as slices without gaps, since a slice is copied several times faster than indexed tokens."""
    bounds = (indices.diff() > 1).nonzero().squeeze(1).add(1).tolist()
    return [slice(int(run[0]), int(run[-1]) + 1) for run in indices.tensor_split(bounds)]


def _from(skip: int, parts: Sequence[KeyValues]) -> list[KeyValues]:
    """Keys and values of a path without its first `skip` tokens."""
    visible = []
    for part in parts:
        length = part.keys.shape[2]
        drop = min(skip, length)
        skip -= drop
        if drop < length:
            visible.append(part.at(slice(drop, None)))
    return visible


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
    return tree.attend(int(module.layer_idx), query, key, value, scaling, sliding_window), None  # type: ignore[arg-type]


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
