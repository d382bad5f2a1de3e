"""A comparison as sentences and tables of strings, the same for every form; as Markdown, and as JSON values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gemma_eval.card.rebuilt import model_name
from gemma_eval.compare import Comparison, TaskComparison
from gemma_eval.compare.comparison import rates
from gemma_eval.compare.results import Results
from gemma_eval.report import markdown
from gemma_eval.stats.difference import Difference

EXPLAINED = (
    "Scores and differences are points of 100 on the items both runs answered. Intervals are 95 %, clustered where items are not "
    "independent; p-values are two-sided (McNemar's exact mid-p test for independent right/wrong items, Student's t on clusters for "
    "others, paired bootstrap for corpus metrics), adjusted by Holm over the tasks. Gained / lost: items that became right / wrong. For "
    "multiple choices: picks that changed, the change of the gold choice's log-probability margin over the best other one (nats), and "
    "KL(A || B) between the distributions over choices (nats)."
)


@dataclass(frozen=True)
class TextTable:
    """A table of strings; the first column is text, the others are numbers."""

    title: str
    header: list[str]
    rows: list[list[str]]


def headline(found: Comparison) -> list[str]:
    """What is compared, and first of all whether the runs were asked the same."""
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
        lines.append("Model and engine are the same: differences are noise of the computation.")
    return lines


def _described(results: Results) -> str:
    size = results.model["size"]
    return f"{results.name} ({model_name(results.model) if size != 'local' else 'local model on ' + results.model['backend']})"


def _disagreements(found: Comparison) -> Iterator[str]:
    for task in found.tasks:
        if not task.agreement.same_question:
            yield from (f"{task.name}: {remark}" for remark in task.agreement.remarks)
    yield from found.incomparable.values()
    for name, only in (("A", found.only_a), ("B", found.only_b)):
        if only:
            yield f"only {name} has {', '.join(only)}"


def tables(found: Comparison) -> list[TextTable]:
    shown = [_scores(found), _costs(found)]
    if any(task.shift for task in found.tasks):
        shown.insert(1, _choices(found))
    return [table for table in shown if table.rows]


def _scores(found: Comparison) -> TextTable:
    header = ["Task", "Items", "A", "B", "B - A", "95 % interval", "p", "p (Holm)", "Gained / lost"]
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
    return TextTable("Scores", header, rows)


def _pooled(tasks: Sequence[TaskComparison], pooled: Difference) -> list[str]:
    means = [math.fsum(values) / len(tasks) for values in ([task.a for task in tasks], [task.b for task in tasks])]
    difference = [_signed(pooled.value), _interval(pooled.interval()), _p(pooled.p_value())]
    return ["mean of tasks", f"{pooled.n}", _points(means[0]), _points(means[1]), *difference, "", ""]


def _choices(found: Comparison) -> TextTable:
    header = ["Task", "Picks changed", "Margin, nats", "95 % interval", "p", "KL, nats"]
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
    return TextTable("Inside the choices", header, rows)


def _costs(found: Comparison) -> TextTable:
    header = ["Task", "Tokens/s A", "Tokens/s B", "ms an item A", "ms an item B"]
    rows = []
    for task in found.tasks:
        a, b = (
            dict(rates(spent, results.tasks[task.name].answered)) for results, spent in ((found.a, task.spent_a), (found.b, task.spent_b))
        )
        if a or b:
            speed = [f"{one['tokens_per_second']:,.0f}" if one else "" for one in (a, b)]
            rows.append([task.name, *speed, *(f"{1000 * one['seconds_per_item']:,.1f}" if one else "" for one in (a, b))])
    peaks = [_memory(results) for results in (found.a, found.b)]
    return TextTable("Cost" + (f"; peak memory: A {peaks[0]}, B {peaks[1]}" if any(peaks) else ""), header, rows)


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
    parts = []
    for found in comparisons:
        lines = [f"## {found.b.name} against {found.a.name}", "\n".join(_listed(line) for line in headline(found))]
        parts += [*lines, *(f"**{table.title}**\n\n{markdown_table(table)}" for table in tables(found))]
    return "\n\n".join([*parts, EXPLAINED]) + "\n"


def _listed(line: str) -> str:
    return f"  {line}" if line.startswith("- ") else f"- {line}"


def markdown_table(table: TextTable) -> str:
    rows = [[markdown.escape(cell) for cell in row] for row in table.rows]
    return markdown.table(table.header, rows, [index > 0 for index in range(len(table.header))])


def to_json(found: Comparison) -> dict[str, Any]:
    """All numbers, as shares of each metric's scale; unknown ones are null."""
    value = {
        "a": found.a.name,
        "b": found.b.name,
        "models": {"a": found.a.model, "b": found.b.model},
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
            "a": dict(rates(task.spent_a, found.a.tasks[task.name].answered)),
            "b": dict(rates(task.spent_b, found.b.tasks[task.name].answered)),
        },
    }


def _difference_json(found: Difference, interval: tuple[float, float], p_value: float) -> dict[str, Any]:
    return {
        "value": found.value,
        "stderr": found.stderr,
        "ci95": list(interval),
        "p": p_value,
        "n": found.n,
        "clusters": found.clusters,
    }


def without_nan(value: Any) -> Any:
    """JSON has no nan: unknown is null."""
    if isinstance(value, dict):
        return {key: without_nan(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
