"""A task's rows become samples: the limit is drawn, exemplars are chosen, every row is checked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from gemma_eval.data.rows import Row
from gemma_eval.data.sources import Source
from gemma_eval.data.table import Table
from gemma_eval.errors import DataError, GemmaEvalError
from gemma_eval.task.base import Task
from gemma_eval.task.fewshot import Fewshot, _rank, choose_exemplars
from gemma_eval.types import Sample, TokenCounter

T = TypeVar("T")


@dataclass(frozen=True)
class TaskSamples:
    """A task's samples, and where they and their exemplars came from. `missing`: subsets or groups that could not be had, and why."""

    task: Task
    samples: list[Sample]
    size: int  # items before the limit
    provenance: dict[str, Any]
    group_sizes: Mapping[str, int] = field(default_factory=dict)  # likewise, of each group of subsets
    missing: Mapping[str, str] = field(default_factory=dict)


def build(task: Task, source: Source, reader: Callable[[], TokenCounter] | None = None) -> TaskSamples:
    """Samples of `task` from `source`. Raises `DataError`, naming repository, config, split and row.

    `reader` opens the model's tokenizer, for the tasks whose items are made to its measure.
    """
    table = task.table(source, reader)
    items = _items(task, table, passages=_draws_from_scored(task))
    pool = _Pool(task, source, table, items)
    shown = pool.shared()
    eligible = [i for i, item in items.items() if item not in shown]
    drawn_by = [table.ids[i].rpartition("/")[2] if task.dataset.views else table.ids[i] for i in eligible]  # a row with all its views
    chosen = choose_items(drawn_by, [items[i].subset for i in eligible], task.limit, task.seed or 0, task.name)
    kept = [eligible[i] for i in chosen]
    samples = [_sample(task, table, i, row, items[i].subset, pool) for i, row in zip(kept, table.rows.read(kept), strict=True)]
    provenance = {
        "source": source.kind,
        "repo": table.repo,
        "split": table.split,
        "revision": table.revision,
        "rows": len(table.rows),
        "rows_sha256": table.sha256(),
        "exemplars": pool.used(),
    }
    groups = Counter(group for i in eligible if (group := task.group(items[i].subset)))
    return TaskSamples(task, samples, len(eligible), provenance, groups, table.missing)


def _sample(task: Task, table: Table, index: int, row: Row, subset: str, pool: _Pool) -> Sample:
    shots = pool.shots(subset, table.ids[index], table.split)
    return _checked(
        task, table, index, row, lambda row: task.sample(table.made(row), id=table.ids[index], config=table.configs[index], shots=shots)
    )


@dataclass(frozen=True)
class _Item:
    """What decides which exemplars a row may have."""

    subset: str
    overlap_key: str = ""


def _draws_from_scored(task: Task) -> bool:
    """Whether exemplars shown to all items are themselves rows of the scored split."""
    return bool(task.num_fewshot) and task.fewshot in {Fewshot.seeded, Fewshot.first} and task.dataset.fewshot_split == task.dataset.split


def _items(task: Task, table: Table, passages: bool = False) -> dict[int, _Item]:
    """The rows that are items of the benchmark, by index; `passages` may take reading pictures, so only where it matters."""
    item = partial(_item, task, table, passages)
    return {i: found for i, row in enumerate(table.rows) if (found := _checked(task, table, i, row, partial(item, i)))}


def _item(task: Task, table: Table, passages: bool, index: int, row: Row) -> _Item | None:
    if not task.included(row):
        return None
    config = table.configs[index]
    return _Item(task.subset(row, config), task.overlap_key(row, config, table.ids[index]) if passages else "")


def _checked(task: Task, table: Table, index: int, row: Row, use: Callable[[Row], T]) -> T:
    """`use(row)`, with any complaint of the page about the row turned into one error that names it."""
    try:
        return use(row)
    except GemmaEvalError:
        raise
    except KeyError as error:
        raise DataError(
            f"{task.name}: {table.where(index)}: no column {error}; it has {', '.join(row)}. "
            f"Point tasks.{task.name}.dataset at a repository with the benchmark's own columns"
        ) from error
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise DataError(f"{task.name}: {table.where(index)}: bad row: {error}. Mend or remove the row, or pin a good revision") from error


class _Pool:
    """The exemplar split of a task, loaded only if the task draws from it."""

    def __init__(self, task: Task, source: Source, scored: Table, items: dict[int, _Item]) -> None:
        self._task = task
        self._drawn: dict[str, list[int]] = {}
        self._table: Table | None = None
        self._items: dict[int, _Item] = {}
        self._groups: dict[str, list[int]] = defaultdict(list)
        self._shots: dict[str, list[Row]] = {}
        if task.num_fewshot and task.fewshot is not Fewshot.published:
            split = task.dataset.fewshot_split
            if split is None:
                raise DataError(f"{task.name}: num_fewshot={task.num_fewshot}, but dataset.fewshot_split is not set")
            same = split == scored.split
            self._table = table = scored if same else source.table(task.dataset, split, task.samples_file())
            self._items = items if same else _items(task, table)
            for i, item in self._items.items():
                self._groups[self._group(item.subset)].append(i)
            if task.fewshot is Fewshot.first:
                for members in self._groups.values():
                    rows = dict(zip(members, table.rows.read(members), strict=True))
                    members.sort(key=lambda i: _checked(task, table, i, rows[i], task.shot_rank))

    def shared(self) -> set[_Item]:
        """What would be scored although the prompt shows it: exemplars drawn for all items from the scored split itself."""
        if not _draws_from_scored(self._task):
            return set()
        shown = {(group, self._items[i].overlap_key) for group in self._groups for i in self._draw(group, "")}
        return {item for item in self._items.values() if (self._group(item.subset), item.overlap_key) in shown}

    def _group(self, subset: str) -> str:
        return subset if self._task.fewshot_by_subset else ""

    def shots(self, subset: str, item: str, split: str) -> list[Row]:
        if self._table is None:
            return []
        group = self._group(subset)
        if self._task.fewshot is Fewshot.per_item:
            return self._rows(self._draw(group, item, item if self._table.split == split else ""))
        if group not in self._shots:
            self._shots[group] = self._rows(self._draw(group, ""))
        return self._shots[group]

    def _rows(self, indices: list[int]) -> list[Row]:
        assert self._table is not None
        return [self._table.made(row) for row in self._table.rows.read(indices)]

    def _draw(self, group: str, item: str, avoid: str = "") -> list[int]:
        assert self._table is not None
        task, table = self._task, self._table
        if not item and group in self._drawn:
            return self._drawn[group]
        members = [i for i in self._groups.get(group, []) if not (item and table.ids[i] == avoid)]
        count = task.shots_of(group)
        if len(members) < count:
            raise DataError(
                f"{task.name}: {table.repo} split={table.split} has {len(members)} exemplar rows"
                f"{f' of subset {group}' if group else ''}, {count} are needed: set tasks.{task.name}.num_fewshot lower"
            )
        picked = choose_exemplars([table.ids[i] for i in members], count, task.fewshot, task.seed or 0, task.name, group, item)
        drawn = [members[i] for i in picked]
        if not item:
            self._drawn[group] = drawn
        return drawn

    def used(self) -> dict[str, Any]:
        """What was drawn, for the record."""
        task = self._task
        if not task.num_fewshot:
            return {"shots": 0}
        described: dict[str, Any] = {"shots": task.num_fewshot, "policy": task.fewshot.value, "seed": task.seed}
        if self._table is not None:
            described |= {"repo": self._table.repo, "split": self._table.split, "revision": self._table.revision}
            if task.fewshot is not Fewshot.per_item:
                described["ids"] = {group or "all": [self._table.ids[i] for i in drawn] for group, drawn in sorted(self._drawn.items())}
        return described


def choose_items(ids: Sequence[str], subsets: Sequence[str], limit: int | None, seed: int, task: str) -> list[int]:
    """Indices of `limit` items, ascending: seeded, spread over subsets in proportion, and nested.

    Nested: the choice for `limit` is part of the choice for any larger limit, so a run can be widened later
    without computing anything twice.
    """
    if limit is None or limit >= len(ids):
        return list(range(len(ids)))
    by_subset: dict[str, list[int]] = defaultdict(list)
    for index, subset in enumerate(subsets):
        by_subset[subset].append(index)
    order: list[tuple[float, bytes, int]] = []
    for subset, members in by_subset.items():
        offset = int.from_bytes(_rank("offset", seed, task, subset)[:8], "big") / 2**64
        members.sort(key=lambda i: _rank("item", seed, task, ids[i]))
        order += [((rank + offset) / len(members), _rank(subset), index) for rank, index in enumerate(members)]
    return sorted(index for _, _, index in sorted(order)[:limit])
