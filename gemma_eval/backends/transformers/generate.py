"""Generation: shared exemplars are prefilled once and never copied. Rows that have ended leave the batch, and others enter.

The prompts form a prefix tree. A pass prefills the ends of several prompts under the kept path that they share. Each row then takes a slot,
which holds the keys and values of its own tokens. A decoding step computes one token of every row, side by side. Each attends to the path
of its group, which is laid out once, and to its slot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from gemma_eval.backends.stopping import end_tokens
from gemma_eval.backends.transformers.compiling import Compiler
from gemma_eval.backends.transformers.decode_attention import DecodeContext, DecodePath, Members, Slots
from gemma_eval.backends.transformers.forward import forward_pass, run_body
from gemma_eval.backends.transformers.head import UNDEFINED, all_logits, likeliest
from gemma_eval.backends.transformers.image_embeddings import ImageEmbeddings
from gemma_eval.backends.transformers.sampling import GeneratedRow, advance, draw, rows_of
from gemma_eval.backends.transformers.tree_attention import KeyValues
from gemma_eval.plan.passes import Layout, Pass, schedule
from gemma_eval.plan.tree import ROOT, Tree, build_tree
from gemma_eval.types import EncodedGenerate

Path = list[tuple[int, dict[int, KeyValues]]]


@dataclass
class _Waiting:
    """A row that is prefilled: its first token, and its own keys and values by layer."""

    row: GeneratedRow
    token: int
    own: dict[int, KeyValues]


def grow(
    model: Any,
    tokenizer: Any,
    requests: Sequence[EncodedGenerate],
    pass_budget: int,
    cache_budget: int,
    compiler: Compiler | None = None,
    images: ImageEmbeddings | None = None,
) -> Iterator[GeneratedRow]:
    """The rows of all requests, each row once for each of its tokens.

    Budgets are in tokens: `pass_budget` of one prefill pass, `cache_budget` of the keys and values of rows that are being decoded. Images
    in `requests` are numbered (`plan.tree.number_images`), and `images` has them by number. `compiler` hears how far the plan has come.
    """
    rows = rows_of(requests)
    tree = build_tree([row.prompt for row in rows], longest_node=pass_budget)
    for row, shared in zip(rows, tree.shared, strict=True):
        row.shared = shared
    ending: dict[int, list[GeneratedRow]] = {}
    for row, leaf in zip(rows, tree.leaf, strict=True):
        ending.setdefault(leaf, []).append(row)
    batch = _Batch(model, tokenizer, cache_budget)
    done, planned = 0, sum(row.tokens_needed - row.shared for row in rows)
    if compiler:
        compiler.start()
    for row in _grown(model, tree, batch, pass_budget, ending, images):
        if compiler:
            done += 1 if len(row.tokens) > 1 else len(row.prompt) - row.shared + 1
            planned -= row.settings.max_tokens - len(row.tokens) if row.finish else 0
            compiler.consider(done, planned)
        yield row


def _grown(
    model: Any, tree: Tree, batch: _Batch, pass_budget: int, ending: dict[int, list[GeneratedRow]], images: ImageEmbeddings | None
) -> Iterator[GeneratedRow]:
    """Prefill pass after pass, and decode whenever rows have to wait for a slot."""
    path: Path = []
    for step in schedule(tree, pass_budget):
        path = [(node, kept) for node, kept in path if node in step.prefix]
        waiting, kept = _prefill(model, tree, step, path, ending, images)
        yield from batch.feed(step.prefix, [values for _, values in path], waiting)
        if step.keep:
            path.append((step.nodes[0], kept))
    yield from batch.drain()


def _prefill(
    model: Any, tree: Tree, step: Pass, path: Path, ending: dict[int, list[GeneratedRow]], images: ImageEmbeddings | None
) -> tuple[list[_Waiting], dict[int, KeyValues]]:
    """Run a pass. Returns the rows whose prompts end in it, and its keys and values by layer."""
    hidden, kept, layout = forward_pass(model, tree, step, [values for _, values in path], keep=True, images=images)
    ends = [(node, row) for node in step.nodes for row in ending.get(node, ())]
    if not ends:
        return [], kept
    last = torch.tensor([layout.offset[node] + len(tree.nodes[node]) - 1 for node, _ in ends], device=hidden.device)
    tokens = _next_tokens(model, hidden[last], [row for _, row in ends])
    waiting = []
    for (node, row), token in zip(ends, tokens, strict=True):
        own = _own_tokens(tree, step, layout, node)
        waiting.append(_Waiting(row, token, {layer: values.at(own) for layer, values in kept.items()}))
    return waiting, kept


def _own_tokens(tree: Tree, step: Pass, layout: Layout, node: int) -> torch.Tensor:
    """Where the tokens on the path down to `node` stand in this pass, [tokens]."""
    runs = []
    while node != ROOT and node in layout.offset:
        runs.append(range(layout.offset[node], layout.offset[node] + len(tree.nodes[node])))
        node = tree.nodes[node].parent
    return torch.tensor([at for run in reversed(runs) for at in run], dtype=torch.long)


def _next_tokens(model: Any, hidden: torch.Tensor, rows: Sequence[GeneratedRow]) -> list[int]:
    """The next token of each row, greedy or drawn, after hidden states [rows, hidden size]; `UNDEFINED` after logits that mean nothing."""
    tokens = likeliest(model, hidden).tolist()
    for i, row in enumerate(rows):
        if row.generator is not None and tokens[i] != UNDEFINED:
            tokens[i] = draw(row, all_logits(model, hidden[i : i + 1])[0])
    return tokens


@dataclass
class _Group:
    """Rows under the same path: those that wait for a slot, and those that are being decoded, in the order of `slots`."""

    path: DecodePath
    waiting: list[_Waiting] = field(default_factory=list)
    rows: list[GeneratedRow] = field(default_factory=list)
    slots: Slots = field(default_factory=Slots)

    def own_tokens_needed(self, row: GeneratedRow) -> int:
        """Tokens that a row may need beside the path."""
        return row.tokens_needed - self.path.length

    @property
    def tokens_needed(self) -> int:
        """Tokens that the path and the rows being decoded may need."""
        return self.path.length + sum(map(self.own_tokens_needed, self.rows))


class _Batch:
    """Rows that are being decoded, in groups that share a path. Rows wait while their tokens exceed what is left of `budget`."""

    def __init__(self, model: Any, tokenizer: Any, budget: int) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._budget = budget
        self._ends = end_tokens(model.generation_config, tokenizer)
        self._groups: dict[tuple[int, ...], _Group] = {}

    def feed(self, prefix: tuple[int, ...], path: list[dict[int, KeyValues]], waiting: list[_Waiting]) -> Iterator[GeneratedRow]:
        """Take rows under this path. Decodes until all of them have a slot, and yields the rows that grow meanwhile."""
        if not waiting:
            return
        if prefix not in self._groups:  # a path is copied when it is laid out
            self._groups[prefix] = _Group(DecodePath(path))
        group = self._groups[prefix]
        group.waiting += waiting
        yield from self._admit(group)
        while group.waiting:
            yield from self._step()
            yield from self._admit(group)

    def drain(self) -> Iterator[GeneratedRow]:
        """Decode until every row has ended."""
        while self._groups:
            yield from self._step()

    @torch.inference_mode()
    def _admit(self, group: _Group) -> Iterator[GeneratedRow]:
        """Give slots to waiting rows as far as the budget goes, and yield them with their first token. One row always fits."""
        started: list[_Waiting] = []
        free = self._budget - sum(other.tokens_needed for other in self._groups.values())
        alone = not any(other.rows for other in self._groups.values())
        while group.waiting and (group.own_tokens_needed(group.waiting[0].row) <= free or (alone and not started)):
            item = group.waiting.pop(0)
            advance(item.row, item.token, self._ends, self._tokenizer)
            yield item.row
            if not item.row.finish:
                free -= group.own_tokens_needed(item.row)
                started.append(item)
        if started:
            group.slots.add([item.own for item in started])
            group.rows += [item.row for item in started]
        self._drop_empty_groups()

    @torch.inference_mode()
    def _step(self) -> Iterator[GeneratedRow]:
        """Decode one token of every row."""
        groups = [group for group in self._groups.values() if group.rows]
        rows = [row for group in groups for row in group.rows]
        depths = [torch.tensor([len(row.prompt) + len(row.tokens) - 1 for row in group.rows]) for group in groups]
        context = DecodeContext([Members(group.path, group.slots, depth) for group, depth in zip(groups, depths, strict=True)])
        hidden = run_body(self._model, torch.tensor([row.tokens[-1] for row in rows]), torch.cat(depths), context)
        for row, token in zip(rows, _next_tokens(self._model, hidden, rows), strict=True):
            advance(row, token, self._ends, self._tokenizer)
        for group in groups:
            stay = [row.finish is None for row in group.rows]
            if not all(stay):
                group.rows = [group.rows[i] for i in group.slots.keep(stay)]
        self._drop_empty_groups()
        yield from rows

    def _drop_empty_groups(self) -> None:
        self._groups = {prefix: group for prefix, group in self._groups.items() if group.rows or group.waiting}
