"""The items on which a task's primary metric and its diagnostics differ, as a table."""

from __future__ import annotations

from gemma_eval.report.table import Kind, TextColumn, TextTable
from gemma_eval.scoring.readers import Difference, Explanation, Reading
from gemma_eval.store.documents import to_text
from gemma_eval.types import JSON, GenerateResponse

READ, REPLY = 40, 80  # characters shown of a reading or a gold answer, and of a reply's last line


def explanation_table(explained: Explanation, run: str) -> TextTable:
    """A row for each item: what each metric read and how it judged that, the gold answer, and the reply's last line."""
    task, found = explained.task, explained.differences
    columns = [TextColumn("Item", Kind.name)]
    columns += [TextColumn(metric, Kind.words) for metric in (task.metrics[0], *explained.diagnostics)]
    columns += [TextColumn("Gold", Kind.words), TextColumn("Last line of the reply", Kind.words)]
    title = f"{task.name} of {run}: {task.metrics[0]} and a diagnostic differ on {len(found)} of {explained.answers} answers"
    return TextTable(title, columns, [_row(explained, one) for one in found])


def _row(explained: Explanation, one: Difference) -> list[str]:
    readings = [_reading(one.diagnostics[metric], explained.task.scale, extracts=False) for metric in explained.diagnostics]
    return [one.record.id, _reading(one.primary, explained.task.scale), *readings, _gold(one.record.target), _last_line(one)]


def _reading(reading: Reading, scale: float, *, extracts: bool = True) -> str:
    """ "18: right", "17: wrong" or "nothing"; the score of an answer that is neither. A metric need not say what it read (`extracts`)."""
    if reading.text is None and extracts:
        return "nothing"
    judged = "wrong" if reading.score == 0 else "right" if reading.score == scale else f"{reading.score:.2f}"
    return f"{_head(reading.text, READ)}: {judged}" if reading.text else judged


def _gold(target: JSON) -> str:
    if isinstance(target, dict):
        target = target.get("gold", target.get("answers", target))
    values = target if isinstance(target, list) else [target]
    return _head(" | ".join(value if isinstance(value, str) else to_text(value) for value in values), READ)


def _last_line(one: Difference) -> str:
    """The end of the last line that is not blank: that is where an answer stands."""
    assert isinstance(one.record.response, GenerateResponse)
    lines = one.record.response.texts[0].split("\n")
    line = " ".join(next((line for line in reversed(lines) if line.strip()), "").split())
    return line if len(line) <= REPLY else f"...{line[-REPLY:]}"


def _head(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}..."
