"""The exemplars of a task's prompts: drawn from the exemplar split, and never the item itself."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from gemma_eval.data.columns import BadRowError
from gemma_eval.data.rows import Row
from gemma_eval.data.sources import Source
from gemma_eval.data.table import Table
from gemma_eval.errors import DataError
from gemma_eval.task.base import Task
from gemma_eval.task.fewshot import Fewshot, choose_exemplars
from gemma_eval.task.items import Item, checked, items_of


def draws_from_scored_split(task: Task) -> bool:
    """Whether all items share exemplars that are rows of the scored split. Such rows are not scored."""
    shared = task.fewshot in {Fewshot.seeded, Fewshot.first}
    return bool(task.num_fewshot) and shared and task.dataset.fewshot_split == task.dataset.split


class ExemplarPool:
    """Draws exemplars for the items of a task. The exemplar split is read only if the task draws from it.

    A group is what shares exemplars: the items of a subset if the task says `fewshot_by_subset`, else all items ("").
    """

    def __init__(self, task: Task, source: Source, scored: Table, items: dict[int, Item]) -> None:
        """`scored` is the table of the scored split, `items` its items. Raises `DataError` if the task names no exemplar split."""
        self._task = task
        self._table: Table | None = None
        self._items: dict[int, Item] = {}
        self._members: dict[str, list[int]] = defaultdict(list)  # rows of each group
        self._drawn: dict[str, list[int]] = {}  # exemplars of each group, as rows of the table
        self._shots: dict[str, list[Row] | BadRowError] = {}
        if not task.num_fewshot or task.fewshot is Fewshot.published:
            return
        split = task.dataset.fewshot_split
        if split is None:
            key = f"tasks.{task.name}.dataset.fewshot_split"
            raise DataError(f"{task.name}: num_fewshot={task.num_fewshot} needs a split to draw exemplars from: set {key}")
        same = split == scored.split
        self._table = scored if same else source.table(task.dataset, split, task.samples_file())
        self._items = items if same else items_of(task, self._table)
        for i, item in self._items.items():
            self._members[self._group(item.subset)].append(i)
        if task.fewshot is Fewshot.first:
            self._sort_members(self._table)

    def _sort_members(self, table: Table) -> None:
        for members in self._members.values():
            rows = dict(zip(members, table.rows.read(members), strict=True))
            members.sort(key=lambda i: checked(self._task, table, i, rows[i], self._task.shot_rank))

    def _group(self, subset: str) -> str:
        return subset if self._task.fewshot_by_subset else ""

    def shown_items(self) -> set[Item]:
        """The items that must not be scored because their prompts show them, or a row with the same overlap key, as an exemplar."""
        if not draws_from_scored_split(self._task):
            return set()
        shown = {(group, self._items[i].overlap_key) for group in self._members for i in self._draw(group)}
        return {item for item in self._items.values() if (self._group(item.subset), item.overlap_key) in shown}

    def shots(self, subset: str, id: str, split: str) -> list[Row]:
        """The exemplars of one item, in prompt order. Raises `DataError` if the split has too few rows, and `BadRowError` for a bad one."""
        if self._table is None:
            return []
        group = self._group(subset)
        if self._task.fewshot is Fewshot.per_item:
            return self._read(self._draw_for(group, id, itself=id if self._table.split == split else None))
        if group not in self._shots:
            try:
                self._shots[group] = self._read(self._draw(group))
            except BadRowError as error:  # which costs all items that would show it
                self._shots[group] = error
        shots = self._shots[group]
        if isinstance(shots, BadRowError):
            raise shots
        return shots

    def _read(self, indices: list[int]) -> list[Row]:
        assert self._table is not None
        self._table.rows.fetch(indices)
        rows = self._table.rows.read(indices)
        return [checked(self._task, self._table, i, row, self._whole) for i, row in zip(indices, rows, strict=True)]

    def _whole(self, row: Row) -> Row:
        """The row as the page reads it. It is shown once here, so that a bad exemplar is named, not the item that it is shown to."""
        assert self._table is not None
        whole = self._table.full_row(row)
        self._task.shot(whole)
        return whole

    def _draw(self, group: str) -> list[int]:
        """Exemplars that all items of a group share."""
        if group not in self._drawn:
            self._drawn[group] = self._choose(group, self._members.get(group, []))
        return self._drawn[group]

    def _draw_for(self, group: str, item: str, itself: str | None) -> list[int]:
        """Exemplars for one item; `itself` is the row that may not be among them."""
        assert self._table is not None
        ids = self._table.ids
        return self._choose(group, [i for i in self._members.get(group, []) if ids[i] != itself], item)

    def _choose(self, group: str, members: list[int], item: str = "") -> list[int]:
        assert self._table is not None
        task, table = self._task, self._table
        count = task.shots_of(group)
        if len(members) < count:
            raise DataError(
                f"{task.name}: {table.repo} split={table.split} has {len(members)} exemplar rows"
                f"{f' of subset {group}' if group else ''}, {count} are needed: set tasks.{task.name}.num_fewshot lower"
            )
        chosen = choose_exemplars([table.ids[i] for i in members], count, task.fewshot, task.seed or 0, task.name, group, item)
        return [members[i] for i in chosen]

    def describe(self) -> dict[str, Any]:
        """What was drawn, as JSON for the run's record: number, policy, seed, and where there is a split, its name and the rows' ids."""
        task = self._task
        if not task.num_fewshot:
            return {"shots": 0}
        described: dict[str, Any] = {"shots": task.num_fewshot, "policy": task.fewshot.value, "seed": task.seed}
        if self._table is not None:
            described |= {"repo": self._table.repo, "split": self._table.split, "revision": self._table.revision}
            if task.fewshot is not Fewshot.per_item:
                described["ids"] = {group or "all": [self._table.ids[i] for i in drawn] for group, drawn in sorted(self._drawn.items())}
        return described
