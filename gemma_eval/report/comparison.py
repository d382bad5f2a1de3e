"""A comparison as sentences and tables of text, the same for every form; as Markdown, and as JSON values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from gemma_eval.compare import Comparison, TaskComparison
from gemma_eval.compare.results import Results
from gemma_eval.report import markdown
from gemma_eval.report.table import Kind, TextColumn, TextTable
from gemma_eval.stats.difference import Difference
from gemma_eval.store.documents import without_nan
from gemma_eval.store.usage import Spent

EXPLAINED = (
    "Scores and differences are points of 100 on the items that both runs answered. Intervals are 95 %, and clustered if items are not "
    "independent. p-values are two-sided: McNemar's exact mid-p test for independent right/wrong items, Student's t on clusters for "
    "others, and a paired bootstrap for corpus metrics. p (Holm) is adjusted for the number of tasks. Gained / lost: items that became "
    "right / wrong. For multiple choices: the share of picks that changed; the change of the gold choice's log-probability margin over "
    "the best other choice (nats); and KL(A || B) between the distributions over choices (nats)."
)
FULL = "--markdown -"


def headline(found: Comparison) -> list[str]:
    """The sentences above the tables: which runs are compared, whether both were asked the same, and how their engines differ."""
    lines = [f"A: {_described(found.a)}", f"B: {_described(found.b)}"]
    if found.same_run:
        lines.append("A and B are the same run: every difference is zero.")
    if found.same_question:
        lines.append("Prompts, data and protocol are identical.")
    else:
        lines.append("NOT everything is identical:")
        lines += [f"- {remark}" for remark in _disagreements(found)]
    lines += [f"- {task.name}: {remark}" for task in found.tasks if task.agreement.same_question for remark in task.agreement.remarks]
    if found.engine:
        lines.append("The models or engines differ in " + ", ".join(f"{key} ({a} / {b})" for key, (a, b) in found.engine.items()) + ".")
    elif not found.same_run:
        lines.append("Model and engine are the same: every difference is computational noise.")
    return lines


def _described(results: Results) -> str:
    model = results.model
    return f"{results.name} ({f'local model on {model.backend}' if model.size == 'local' else model})"


def _disagreements(found: Comparison) -> Iterator[str]:
    for task in found.tasks:
        if not task.agreement.same_question:
            yield from (f"{task.name}: {remark}" for remark in task.agreement.remarks)
    yield from found.incomparable.values()
    for name, only in (("A", found.only_a), ("B", found.only_b)):
        if only:
            yield f"only {name} has {', '.join(only)}"


def tables(found: Comparison) -> list[TextTable]:
    """The tables that have rows: scores, what changed inside multiple choices, and cost."""
    shown = [_scores(found), _costs(found)]
    if any(task.shift for task in found.tasks):
        shown.insert(1, _choices(found))
    return [table for table in shown if table.rows]


def _scores(found: Comparison) -> TextTable:
    columns = [
        TextColumn("Task", Kind.name),
        TextColumn("Items", rank=3),
        TextColumn("A"),
        TextColumn("B"),
        TextColumn("B - A"),
        TextColumn("95 % interval", rank=1),
        TextColumn("p", rank=4),
        TextColumn("p (Holm)", rank=2),
        TextColumn("Gained / lost", rank=5),
    ]
    rows = [
        [
            task.name,
            f"{task.difference.n}",
            _points(task.a),
            _points(task.b),
            _signed(task.difference.value),
            _interval(task.interval),
            _p(task.p_value),
            _p(task.holm),
            "" if task.gained is None else f"{task.gained} / {task.lost}",
        ]
        for task in found.tasks
    ]
    if found.pooled:
        rows.append(_pooled(found.tasks, found.pooled))
    return TextTable("Scores", columns, rows, FULL)


def _pooled(tasks: Sequence[TaskComparison], pooled: Difference) -> list[str]:
    means = [math.fsum(values) / len(tasks) for values in ([task.a for task in tasks], [task.b for task in tasks])]
    difference = [_signed(pooled.value), _interval(pooled.interval()), _p(pooled.p_value())]
    return ["mean of tasks", f"{pooled.n}", _points(means[0]), _points(means[1]), *difference, "", ""]


def _choices(found: Comparison) -> TextTable:
    columns = [
        TextColumn("Task", Kind.name),
        TextColumn("Picks changed"),
        TextColumn("Margin, nats"),
        TextColumn("95 % interval", rank=2),
        TextColumn("p", rank=3),
        TextColumn("KL, nats", rank=1),
    ]
    rows = [
        [
            task.name,
            f"{100 * task.shift.changed:.1f} %",
            _nats(task.shift.margin.value),
            _blank(f"{_nats(task.shift.margin.low)} to {_nats(task.shift.margin.high)}", task.shift.margin.low),
            _p(task.shift.p_value),
            f"{task.shift.divergence.value:.5f}",
        ]
        for task in found.tasks
        if task.shift
    ]
    return TextTable("Inside the choices", columns, rows, FULL)


def _costs(found: Comparison) -> TextTable:
    speed, time = ([TextColumn(f"{what} {name}", rank=rank) for name in "AB"] for rank, what in enumerate(("Tokens/s", "ms per item")))
    rows = []
    for task in found.tasks:
        speeds = [task.spent_a.tokens_per_second, task.spent_b.tokens_per_second]
        items = [_seconds_per_item(found.a, task.name, task.spent_a), _seconds_per_item(found.b, task.name, task.spent_b)]
        if any(value is not None for value in (*speeds, *items)):
            cells = [_known(speed, "{:,.0f}") for speed in speeds] + [_known(seconds and 1000 * seconds, "{:,.1f}") for seconds in items]
            rows.append([task.name, *cells])
    peaks = [_memory(results) for results in (found.a, found.b)]
    return TextTable(f"Cost; peak memory: A {peaks[0]}, B {peaks[1]}", [TextColumn("Task", Kind.name), *speed, *time], rows, FULL)


def _seconds_per_item(results: Results, task: str, spent: Spent) -> float | None:
    return spent.seconds_per_item(results.tasks[task].answered)


def _known(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _memory(results: Results) -> str:
    return ", ".join(f"{size / 2**30:.2f} GiB {place}" for place, size in results.peak_memory.items()) or "not recorded"


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _signed(share: float) -> str:
    return f"{round(100 * share, 2) + 0.0:+.2f}"


def _nats(value: float) -> str:
    return _blank(f"{round(value, 4) + 0.0:+.4f}", value)  # never "-0.0000"


def _interval(bounds: tuple[float, float]) -> str:
    return _blank(f"{_signed(bounds[0])} to {_signed(bounds[1])}", bounds[0])


def _p(value: float) -> str:
    return _blank("< 0.0001" if value < 1e-4 else f"{value:.4f}", value)


def _blank(text: str, value: float) -> str:
    return "" if math.isnan(value) else text


def to_markdown(comparisons: Sequence[Comparison]) -> str:
    """Every comparison with its sentences and tables, and how to read them."""
    parts = []
    for found in comparisons:
        lines = [f"## {found.b.name} against {found.a.name}", "\n".join(_listed(line) for line in headline(found))]
        parts += [*lines, *(f"**{table.title}**\n\n{markdown.table(table)}" for table in tables(found))]
    return "\n\n".join([*parts, EXPLAINED]) + "\n"


def _listed(line: str) -> str:
    return f"  {line}" if line.startswith("- ") else f"- {line}"


def to_json(found: Comparison) -> dict[str, Any]:
    """All numbers as JSON values, as shares of each metric's scale. Unknown ones are null."""
    value = {
        "a": found.a.name,
        "b": found.b.name,
        "models": {"a": asdict(found.a.model), "b": asdict(found.b.model)},
        "same_question": found.same_question,
        "disagreements": list(_disagreements(found)),
        "engine": {key: list(change) for key, change in found.engine.items()},
        "peak_memory": {"a": found.a.peak_memory, "b": found.b.peak_memory},
        "tasks": {task.name: _task_json(found, task) for task in found.tasks},
        "pooled": None if found.pooled is None else _difference_json(found.pooled, found.pooled.interval(), found.pooled.p_value()),
    }
    return without_nan(value)  # type: ignore[no-any-return]


def _task_json(found: Comparison, task: TaskComparison) -> dict[str, Any]:
    shift = task.shift
    return {
        "metric": task.metric,
        "scale": task.scale,
        "a": task.a,
        "b": task.b,
        "difference": _difference_json(task.difference, task.interval, task.p_value) | {"p_holm": task.holm},
        "flips": None if task.gained is None else {"gained": task.gained, "lost": task.lost, "mcnemar_midp": task.mcnemar},
        "choices": None
        if shift is None
        else {
            "changed": shift.changed,
            "margin": {
                "value": shift.margin.value,
                "stderr": shift.margin.stderr,
                "ci95": [shift.margin.low, shift.margin.high],
                "p": shift.p_value,
            },
            "kl": {
                "value": shift.divergence.value,
                "stderr": shift.divergence.stderr,
                "ci95": [shift.divergence.low, shift.divergence.high],
            },
        },
        "remarks": task.agreement.remarks,
        "cost": {
            "a": _cost_json(found.a, task.name, task.spent_a),
            "b": _cost_json(found.b, task.name, task.spent_b),
        },
    }


def _cost_json(results: Results, task: str, spent: Spent) -> dict[str, float]:
    """Tokens per second and seconds per item, as far as they are known."""
    rates = {"tokens_per_second": spent.tokens_per_second, "seconds_per_item": _seconds_per_item(results, task, spent)}
    return {name: rate for name, rate in rates.items() if rate is not None}


def _difference_json(found: Difference, interval: tuple[float, float], p_value: float) -> dict[str, Any]:
    return {
        "value": found.value,
        "stderr": found.stderr,
        "ci95": list(interval),
        "p": p_value,
        "n": found.n,
        "clusters": found.clusters,
    }
