"""Who read the answers stands beside each row, and a line warns where a diagnostic reads far more than the primary extractor."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gemma_eval.card.rebuilt import Card, card
from gemma_eval.report.console import print_card
from gemma_eval.report.csv import to_csv
from gemma_eval.report.grid import READ, READ_EXPLAINED, grid
from gemma_eval.report.latex import escape, to_latex
from gemma_eval.report.markdown import to_markdown
from gemma_eval.report.notes import FAR_MORE, run_notes
from gemma_eval.report.page import to_html
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.scores import ReadAlone, Readers, Scores
from tests.runs import card_scores

LINE = (
    "gsm8k: flexible alone reads 12 of 100 answers and has 9 of them right, where score finds no answer: "
    "gemma-eval rescore RUN --explain gsm8k lists them."
)


def scores(alone: int, right: int = 9, n: int = 100) -> Scores:
    """A run of GSM8K. Of its answers `flexible` alone reads `alone` and has `right` of them right; nobody reads three."""
    readers = Readers(primary=n - alone - 3, diagnostic=alone, none=3, alone={"flexible": ReadAlone(alone, right)} if alone else {})
    found = card_scores("4b")
    clean = replace(found.tasks["gsm8k"], n=n, size=n, asked=n, empty=0, truncated=0, dropped_shots=0)
    return replace(found, tasks={"gsm8k": replace(clean, extraction_failures=alone + 3, readers=readers)})


def cell(shown: Card, benchmark: str, **chosen: bool) -> list[str]:
    """What the grid says of a row under "Read", run by run."""
    grids = [grid(sheet, shown.runs, **chosen) for sheet in shown.sheets]
    one, found = next((one, row) for one in grids for row in one.rows if row[0].text == benchmark)
    return [found[index].text for index, column in enumerate(one.columns) if column.name == READ.name]


def test_a_diagnostic_that_reads_far_more_is_a_line_of_every_form(tmp_path: Path) -> None:
    shown = card([scores(12)])
    console = Console(record=True, width=300)
    print_card(shown, console)
    text = console.export_text()
    assert run_notes(shown.runs) == [LINE]
    assert LINE in text and LINE in to_markdown(shown) and escape(LINE) in to_latex(shown)
    assert LINE in to_html(shown, [RunDir(tmp_path)], tmp_path)
    assert READ_EXPLAINED in text and READ_EXPLAINED in to_markdown(shown)


@pytest.mark.parametrize(("alone", "warned"), [(0, False), (int(100 * FAR_MORE), False), (int(100 * FAR_MORE) + 1, True), (97, True)])
def test_the_warning_begins_above_the_threshold(alone: int, warned: bool) -> None:
    assert bool(run_notes(card([scores(alone)]).runs)) is warned


def test_several_runs_are_told_apart() -> None:
    shown = card([scores(12), scores(0), scores(12)])
    assert run_notes(shown.runs) == [f"A: {LINE}", f"C: {LINE}"]
    assert cell(shown, "GSM8K", wide=True) == ["85+12+3", "97+0+3", "85+12+3"]
    notes = [note for sheet in shown.sheets for note in grid(sheet, shown.runs).notes if note.startswith("GSM8K")]
    assert "A: unparsed 15.0%, read 85+12+3." in notes[0] and "B: unparsed 3.0%, read 97+0+3." in notes[0]


def test_the_counts_stand_beside_each_generating_row() -> None:
    shown = card([scores(12)])
    assert cell(shown, "GSM8K") == ["85+12+3"] and cell(shown, "MBPP") == [""]
    lines = {line["benchmark"]: line for line in csv.DictReader(io.StringIO(to_csv(shown))) if line["kind"] == "measured"}
    assert [lines["GSM8K"][f"read_by_{who}"] for who in ("primary", "diagnostic_alone", "none")] == ["85", "12", "3"]
    assert lines["MBPP"]["read_by_primary"] == ""


def test_runs_of_older_versions_say_nothing_of_readers() -> None:
    older = scores(12)
    older = replace(older, tasks={"gsm8k": replace(older.tasks["gsm8k"], readers=None)})
    shown = card([older])
    console = Console(record=True, width=300)
    print_card(shown, console)
    assert run_notes(shown.runs) == [] and cell(shown, "GSM8K") == [""] and READ_EXPLAINED not in console.export_text()


def test_the_mean_of_parts_has_the_readers_of_all_parts() -> None:
    found = card_scores("4b")
    row = next(row for sheet in card([found]).sheets for row in sheet.rows if len(row.tasks) > 1 and row.cells[0].readers)
    parts = [found.tasks[name].readers for name in row.tasks]
    whole = row.cells[0].readers
    assert whole and whole.primary == sum(part.primary for part in parts if part) and whole.none == sum(part.none for part in parts if part)
    first = row.tasks[0]
    without = replace(found, tasks=found.tasks | {first: replace(found.tasks[first], readers=None)})
    assert next(r for sheet in card([without]).sheets for r in sheet.rows if r.benchmark == row.benchmark).cells[0].readers is None
