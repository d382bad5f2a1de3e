from __future__ import annotations

from typing import Any

import pytest

from gemma_eval.card import CARD_TABLES, published
from gemma_eval.report.card import Verdict, sheets
from gemma_eval.report.markdown import to_markdown
from gemma_eval.task import registry

MAIN = [table for table in CARD_TABLES if table.key != "card_270m"]


def test_the_card_has_41_rows_and_141_numbers() -> None:
    assert [len(table.rows) for table in MAIN] == [11, 8, 7, 15]
    numbers = published("pt")
    found = [(t.key, r.benchmark, s) for t in MAIN for r in t.rows for s in t.sizes if (t.key, r.benchmark, s) in numbers]
    assert len(found) == 141
    assert all((CARD_TABLES[0].key, row.benchmark, "270m") in numbers for row in CARD_TABLES[0].rows)


def test_some_numbers_by_hand() -> None:
    numbers = published("pt")
    assert numbers["card_270m", "PIQA", "270m"].value == 67.7
    assert numbers["reasoning_factuality", "HellaSwag", "27b"].value == 85.6
    assert numbers["multimodal", "CountBenchQA", "12b"].value == 17.8
    assert numbers["reasoning_factuality", "Natural Questions", "1b"].half_unit == pytest.approx(0.005)
    assert numbers["multimodal", "COCOcap", "4b"].half_unit == pytest.approx(0.5)


def test_every_task_is_named_by_the_card() -> None:
    rows = {row.task: row.benchmark for table in MAIN for row in table.rows}
    assert len(rows) == 41
    for name, cls in registry().items():
        if cls.__module__.startswith("gemma_eval.tasks"):
            assert cls.card in {*rows.values(), *(benchmark for _, benchmark, _ in published("it"))}
            assert rows.get(name, cls.card) == cls.card  # a row has one task; another task may measure it in another way


def entry(value: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    return {
        "primary": "acc",
        "n": 100,
        "asked": 100,
        "size": 200,
        "metrics": {"acc": {"value": value, "ci95": [low, high]}},
        "source": "folder",
        "num_fewshot": 0,
        "changed": {},
        "comparable": True,
        "undisclosed": "The prompt is ours.",
        "extraction_failures": 0,
        "empty": 0,
        "truncated": 0,
        "dropped_shots": 0,
    } | more


def scores(size: str = "270m", **tasks: dict[str, Any]) -> dict[str, Any]:
    model = {"size": size, "variant": "pt", "weights": "bf16", "backend": "transformers", "dtype": "bfloat16"}
    return {"run": "r", "model": model, "tasks": tasks}


@pytest.mark.parametrize(
    ("piqa", "verdict"),
    [
        (entry(0.67, 0.65, 0.69), Verdict.consistent),  # published 67.7
        (entry(0.67, 0.65, 0.6766), Verdict.consistent),  # 67.66 rounds to it
        (entry(0.67, 0.65, 0.676), Verdict.differs),
        (entry(0.60, 0.58, 0.62), Verdict.differs),
        (entry(0.67, 0.65, 0.69, source="samples"), Verdict.sample_only),
        (entry(0.67, 0.65, 0.69, changed={"num_fewshot": 5}), Verdict.other_settings),
        (entry(0.67, 0.65, 0.69, comparable=False), Verdict.not_stated),
        (entry(0.67, 0, 0, metrics={"acc": {"value": 0.67, "ci95": None}}), Verdict.not_stated),
    ],
)
def test_verdicts(piqa: dict[str, Any], verdict: Verdict) -> None:
    cells = {cell.benchmark: cell for cell in sheets(scores(piqa=piqa))[0].cells}
    assert cells["PIQA"].verdict is verdict
    assert cells["HellaSwag"].verdict is Verdict.not_run


def test_only_tables_with_a_measured_row_are_shown() -> None:
    assert [sheet.title for sheet in sheets(scores(piqa=entry(0.6, 0.5, 0.7)))] == ["Gemma 3 270M"]
    assert [sheet.title for sheet in sheets(scores(mmlu=entry(0.3, 0.2, 0.4)))] == ["STEM and code"]


def test_a_difference_of_nothing_has_no_minus() -> None:
    assert "+0.0 | consistent" in to_markdown(sheets(scores(piqa=entry(0.67699, 0.65, 0.69))))


def test_a_size_without_a_number() -> None:
    cells = {cell.benchmark: cell for sheet in sheets(scores("1b", mmlu=entry(0.3, 0.2, 0.4))) for cell in sheet.cells}
    assert cells["MMLU"].verdict is Verdict.not_published


def test_markdown_shows_rows_not_run_and_footnotes() -> None:
    text = to_markdown(sheets(scores("4b", piqa=entry(0.79, 0.77, 0.81, extraction_failures=3))))
    assert "| PIQA [1] | 0 | 100/200 | 79.0 | 77.0-81.0 | 79.6 | -0.6 | consistent | unparsed 3.0% |" in text
    assert "| DROP |  |  |  |  | 60.1 |  | not run |  |" in text
    assert "[1] PIQA: The prompt is ours." in text
