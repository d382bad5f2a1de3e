"""Generation: shared exemplars are prefilled once and never copied; finished rows leave the batch and new ones enter.

The prompts form a prefix tree. A pass prefills the ends of several prompts under the kept path that they share; each row
then takes a slot, which holds the keys and values of what is its own. A decoding step runs one token of every row, side by
side, and each attends to the path (computed once for all) and to its slot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch

from gemma_eval.backends.base import Answer
from gemma_eval.backends.transformers.forward import forward_pass, run_body
from gemma_eval.backends.transformers.head import all_logits, likeliest
from gemma_eval.backends.transformers.sampling import Collector, Row, advance, draw, end_tokens, rows_of
from gemma_eval.backends.transformers.tree_attention import DecodeContext, DecodePath, KeyValues, Slots
from gemma_eval.backends.transformers.vision import Pictures
from gemma_eval.plan import ROOT, Layout, Pass, Tree, build_tree, schedule
from gemma_eval.types import EncodedGenerate

Path = list[tuple[int, dict[int, KeyValues]]]


@dataclass
class _Waiting:
    """A row whose prompt has been read: its first token, and its own keys and values by layer."""

    row: Row
    token: int
    own: dict[int, KeyValues]


def generate(
    model: Any,
    tokenizer: Any,
    requests: Sequence[EncodedGenerate],
    pass_budget: int,
    cache_budget: int,
    pictures: Pictures | None = None,
) -> Iterator[Answer]:
    """Answers as they complete. Budgets in tokens: of one prefill pass, and of the slots' keys and values.
    Images in `requests` are numbered (see `plan`), and `pictures` has them by number."""
    rows = rows_of(requests)
    tree = build_tree([row.prompt for row in rows], longest_node=pass_budget)
    for row, shared in zip(rows, tree.shared, strict=True):
        row.shared = shared
    ending: dict[int, list[Row]] = {}
    for row, leaf in zip(rows, tree.leaf, strict=True):
        ending.setdefault(leaf, []).append(row)
    collector = Collector()
    path: Path = []
    for prefix, steps in groupby(schedule(tree, pass_budget), key=lambda step: step.prefix):
        path = [(node, kept) for node, kept in path if node in prefix]
        batch = _Batch(model, tokenizer, [kept for _, kept in path], cache_budget)
        for step in steps:
            waiting, kept = _prefill(model, tree, step, path, ending, pictures)
            if step.keep:
                path.append((step.nodes[0], kept))
            for row in batch.feed(waiting):
                yield from collector.add(row)
        for row in batch.drain():
            yield from collector.add(row)


def _prefill(
    model: Any, tree: Tree, step: Pass, path: Path, ending: dict[int, list[Row]], pictures: Pictures | None
) -> tuple[list[_Waiting], dict[int, KeyValues]]:
    """Run a pass; the rows whose prompts end in it, and its keys and values."""
    hidden, kept, layout = forward_pass(model, tree, step, [values for _, values in path], keep=True, pictures=pictures)
    ends = [(node, row) for node in step.nodes for row in ending.get(node, ())]
    if not ends:
        return [], kept
    last = torch.tensor([layout.offset[node] + len(tree.nodes[node]) - 1 for node, _ in ends], device=hidden.device)
    tokens = _next_tokens(model, hidden[last], [row for _, row in ends])
    waiting = []
    for (node, row), token in zip(ends, tokens, strict=True):
        own = _own_tokens(tree, step, layout, node)
        waiting.append(
            _Waiting(row, token, {layer: (k[:, :, own.to(k.device)], v[:, :, own.to(v.device)]) for layer, (k, v) in kept.items()})
        )
    return waiting, kept


def _own_tokens(tree: Tree, step: Pass, layout: Layout, node: int) -> torch.Tensor:
    """Where the tokens on the way down to `node` stand in this pass."""
    runs = []
    while node != ROOT and node in layout.offset:
        runs.append(range(layout.offset[node], layout.offset[node] + len(tree.nodes[node])))
        node = tree.nodes[node].parent
    return torch.tensor([at for run in reversed(runs) for at in run], dtype=torch.long)


def _next_tokens(model: Any, hidden: torch.Tensor, rows: Sequence[Row]) -> list[int]:
    """The next token of each row after its hidden state [rows, hidden size]."""
    tokens = likeliest(model, hidden).tolist()
    for i, row in enumerate(rows):
        if row.generator is not None:
            tokens[i] = draw(row, all_logits(model, hidden[i : i + 1])[0])
    return tokens


class _Batch:
    """Rows being decoded under one path. Rows wait where no slot is free; whoever finishes makes room."""

    def __init__(self, model: Any, tokenizer: Any, path: list[dict[int, KeyValues]], budget: int) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._path = DecodePath(path)
        self._budget = budget
        self._ends = end_tokens(model, tokenizer)
        self._waiting: list[_Waiting] = []
        self._rows: list[Row] = []
        self._slots = Slots()

    def feed(self, waiting: list[_Waiting]) -> Iterator[Row]:
        """Take rows; yields the rows that finish while decoding until all that wait have a slot."""
        self._waiting += waiting
        yield from self._admit()
        while self._waiting:
            if self._rows:
                yield from self._step()
            yield from self._admit()

    def drain(self) -> Iterator[Row]:
        """Decode until every row has finished."""
        while self._rows:
            yield from self._step()

    @torch.inference_mode()
    def _admit(self) -> Iterator[Row]:
        """Give slots to waiting rows as far as the budget goes (one row always fits), with their first token."""
        fresh: list[_Waiting] = []
        free = self._budget - sum(map(self._own_room, self._rows))
        while self._waiting and (not (self._rows or fresh) or self._own_room(self._waiting[0].row) <= free):
            free -= self._own_room(self._waiting[0].row)
            fresh.append(self._waiting.pop(0))
        started = []
        for item in fresh:
            advance(item.row, item.token, self._ends, self._tokenizer)
            if item.row.finish:
                yield item.row
            else:
                started.append(item)
        if started:
            self._slots.add([item.own for item in started])
            self._rows += [item.row for item in started]

    def _own_room(self, row: Row) -> int:
        return row.room - self._path.length

    @torch.inference_mode()
    def _step(self) -> Iterator[Row]:
        """One token for every row."""
        ids = torch.tensor([row.tokens[-1] for row in self._rows])
        depth = torch.tensor([len(row.prompt) + len(row.tokens) - 1 for row in self._rows], device=self._model.device)
        hidden = run_body(self._model, ids, depth, DecodeContext(depth, self._path, self._slots))
        for row, token in zip(self._rows, _next_tokens(self._model, hidden, self._rows), strict=True):
            advance(row, token, self._ends, self._tokenizer)
        stay = [i for i, row in enumerate(self._rows) if row.finish is None]
        finished = [row for row in self._rows if row.finish]
        if finished:
            self._slots.keep(stay)
            self._rows = [self._rows[i] for i in stay]
        yield from finished
