"""Rows become samples: the limit is applied, exemplars are drawn, and every row is checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from traceback import extract_tb

from gemma_eval.data.columns import BadRowError, plain
from gemma_eval.data.rows import Row
from gemma_eval.data.sources import Source
from gemma_eval.data.table import Table
from gemma_eval.errors import DataError, GemmaEvalError, PluginError
from gemma_eval.task import soundness
from gemma_eval.task.base import Task
from gemma_eval.task.exemplars import ExemplarPool, draws_from_scored_split
from gemma_eval.task.fewshot import choose_items
from gemma_eval.task.items import checked, items_of
from gemma_eval.types import Provenance, Sample, TokenCounter


@dataclass(frozen=True)
class TaskSamples:
    """A task's samples, and where its rows came from.

    `size` counts the items before the limit, and `group_sizes` those of each group of subsets. `missing` gives, for each subset or
    group that cannot be had, the reason. `refused` gives it for each row, by id, that is no sound item or whose exemplars are not.
    """

    task: Task
    samples: list[Sample]
    size: int
    provenance: Provenance
    group_sizes: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def build(task: Task, source: Source, open_token_counter: Callable[[], TokenCounter] | None = None) -> TaskSamples:
    """The samples of `task`, from the rows of `source`. Raises `DataError`, naming repository, config and split, if there is none,
    and `PluginError` if the page fails.

    `open_token_counter` loads the model's tokenizer. Only tasks that generate items of a given length call it.
    """
    try:
        return _build(task, source, open_token_counter)
    except GemmaEvalError:
        raise
    except Exception as error:  # a page that is someone else's may raise anything
        at = extract_tb(error.__traceback__)[-1]
        raise PluginError(f"{task.name}: its page fails: {type(error).__name__}: {error} ({at.filename}, line {at.lineno})") from error


def _build(task: Task, source: Source, open_token_counter: Callable[[], TokenCounter] | None) -> TaskSamples:
    table = task.table(source, open_token_counter)
    refused: dict[str, str] = {}
    items = items_of(task, table, overlap_keys=draws_from_scored_split(task), refused=refused)
    pool = ExemplarPool(task, source, table, items)
    shown = pool.shown_items()
    eligible = [i for i, item in items.items() if item not in shown]
    # A row with several views (one in each language) is drawn with all of them.
    drawn_by = [table.ids[i].rpartition("/")[2] if task.dataset.views else table.ids[i] for i in eligible]
    chosen = choose_items(drawn_by, [items[i].subset for i in eligible], task.limit, task.seed or 0, task.name)
    kept = [eligible[i] for i in chosen]
    table.rows.fetch(kept)
    samples: dict[str, Sample] = {}
    for i, row in zip(kept, table.rows.read(kept), strict=True):
        try:
            sample = _sample(task, table, i, row, items[i].subset, pool, samples)
        except BadRowError as error:
            refused[table.ids[i]] = str(error)
        else:
            samples[sample.id] = sample
    if not samples:
        raise DataError(_nothing(task, table, refused))
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
    return TaskSamples(task, list(samples.values()), len(eligible), provenance, groups, table.missing, refused)


def _sample(task: Task, table: Table, index: int, row: Row, subset: str, pool: ExemplarPool, others: Container[str]) -> Sample:
    """A row as a sample. `others`: the ids that are taken."""
    shots = pool.shots(subset, table.ids[index], table.split)

    def sample(row: Row) -> Sample:
        made = task.sample(table.full_row(row), id=table.ids[index], config=table.configs[index], shots=shots)
        made = replace(made, target=plain(made.target), fields={name: plain(value) for name, value in made.fields.items()})
        soundness.check(made)
        if made.id in others:
            raise ValueError(f"another sample has the id {made.id!r} too")
        return made

    return checked(task, table, index, row, sample)


def _nothing(task: Task, table: Table, refused: Mapping[str, str]) -> str:
    """Why there is no sample."""
    if not refused:
        return f"{task.name}: {table.repo} split={table.split}: no items in its {len(table.rows)} rows"
    others = f" {len(refused) - 1} other rows are bad too." if len(refused) > 1 else ""
    return f"{next(iter(refused.values()))}.{others}".removesuffix(".")
