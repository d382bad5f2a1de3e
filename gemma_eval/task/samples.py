"""Rows become samples: the limit is applied, exemplars are drawn, and every row is checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gemma_eval.data.columns import plain
from gemma_eval.data.rows import Row
from gemma_eval.data.sources import Source
from gemma_eval.data.table import Table
from gemma_eval.task.base import Task
from gemma_eval.task.exemplars import ExemplarPool, draws_from_scored_split
from gemma_eval.task.fewshot import choose_items
from gemma_eval.task.items import checked, items_of
from gemma_eval.types import Provenance, Sample, TokenCounter


@dataclass(frozen=True)
class TaskSamples:
    """A task's samples, and where its rows came from.

    `size` counts the items before the limit, and `group_sizes` those of each group of subsets. `missing` gives, for each subset or
    group that cannot be had, the reason.
    """

    task: Task
    samples: list[Sample]
    size: int
    provenance: Provenance
    group_sizes: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


def build(task: Task, source: Source, open_token_counter: Callable[[], TokenCounter] | None = None) -> TaskSamples:
    """The samples of `task`, from the rows of `source`. Raises `DataError`, naming repository, config, split and row.

    `open_token_counter` loads the model's tokenizer. Only tasks that generate items of a given length call it.
    """
    table = task.table(source, open_token_counter)
    items = items_of(task, table, overlap_keys=draws_from_scored_split(task))
    pool = ExemplarPool(task, source, table, items)
    shown = pool.shown_items()
    eligible = [i for i, item in items.items() if item not in shown]
    # A row with several views (one in each language) is drawn with all of them.
    drawn_by = [table.ids[i].rpartition("/")[2] if task.dataset.views else table.ids[i] for i in eligible]
    chosen = choose_items(drawn_by, [items[i].subset for i in eligible], task.limit, task.seed or 0, task.name)
    kept = [eligible[i] for i in chosen]
    table.rows.fetch(kept)
    samples = [_sample(task, table, i, row, items[i].subset, pool) for i, row in zip(kept, table.rows.read(kept), strict=True)]
    provenance = Provenance(
        source=source.kind,
        repo=table.repo,
        split=table.split,
        revision=table.revision,
        rows=len(table.rows),
        rows_sha256=table.sha256(),
        exemplars=pool.describe(),
        commits=dict(table.commits),
    )
    groups = Counter(group for i in eligible if (group := task.group(items[i].subset)))
    return TaskSamples(task, samples, len(eligible), provenance, groups, table.missing)


def _sample(task: Task, table: Table, index: int, row: Row, subset: str, pool: ExemplarPool) -> Sample:
    shots = pool.shots(subset, table.ids[index], table.split)

    def sample(row: Row) -> Sample:
        made = task.sample(table.full_row(row), id=table.ids[index], config=table.configs[index], shots=shots)
        return replace(made, target=plain(made.target), fields={name: plain(value) for name, value in made.fields.items()})

    return checked(task, table, index, row, sample)
