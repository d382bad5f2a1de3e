from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gemma_eval.card import CARD_TABLES, published
from gemma_eval.card.rebuilt import Verdict, card, sheets
from gemma_eval.report.markdown import to_markdown
from gemma_eval.store.scores import GroupScores, MetricScore, Scores, TaskScores
from gemma_eval.task.registry import registry
from tests.runs import MODEL

OTHERS = {"card_270m", "indicgenbench_detail", "long_context", "ruler_detail"}
MAIN = [table for table in CARD_TABLES if table.variant == "pt" and table.key not in OTHERS]
IT = [table for table in CARD_TABLES if table.variant == "it"]
DETAIL = next(table for table in CARD_TABLES if table.key == "indicgenbench_detail")


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
    rows |= {row.task: row.benchmark for row in DETAIL.rows}
    groups = {row.task: row.benchmark.split()[0] for table in CARD_TABLES for row in table.rows if row.group}  # "RULER 32K"
    for name, cls in registry().items():
        if cls.__module__.startswith("gemma_eval.tasks"):
            assert cls.card in {*rows.values(), *groups.values(), *(benchmark for _, benchmark, _ in published("it"))}
            assert rows.get(name, cls.card) == cls.card  # a row has one task; another task may measure it in another way


def test_the_instruction_tuned_tables_have_every_number_of_their_sizes_and_every_task_its_row() -> None:
    numbers = published("it")
    assert [len(table.rows) for table in IT] == [6, 6, 9, 3, 1]
    assert all((table.key, row.benchmark, size) in numbers for table in IT for row in table.rows for size in table.sizes)
    assert numbers["it_stem_code", "HumanEval", "4b"].value == 71.3 and numbers["it_card_270m", "IFEval", "270m"].value == 51.2
    for row in (row for table in IT for row in table.rows):
        assert bool(row.task) != bool(row.unmeasured)
        assert not row.task or registry()[row.task].card == row.benchmark
    assert {task.name for task in registry().values() if task.chat} == {row.task for table in IT[1:] for row in table.rows} - {""}


def entry(value: float, low: float, high: float, **more: Any) -> TaskScores:
    measured = TaskScores(
        primary="acc",
        n=100,
        asked=100,
        size=200,
        metrics={"acc": MetricScore(value, ci95=(low, high))},
        source="folder",
        undisclosed="The prompt is ours.",
    )
    return replace(measured, **more)


def scores(size: str = "270m", variant: str = "pt", /, **tasks: TaskScores) -> Scores:
    return Scores(run="r", model=replace(MODEL, size=size, variant=variant), tasks=tasks)


@pytest.mark.parametrize(
    ("piqa", "verdict"),
    [
        (entry(0.67, 0.65, 0.69), Verdict.consistent),  # published 67.7
        (entry(0.67, 0.65, 0.6766), Verdict.consistent),  # 67.66 rounds to it
        (entry(0.67, 0.65, 0.676), Verdict.differs),
        (entry(0.60, 0.58, 0.62), Verdict.differs),
        (entry(0.67, 0.65, 0.69, source="samples"), Verdict.sample_only),
        (entry(0.67, 0.65, 0.69, changed={"num_fewshot": 5}), Verdict.other_settings),
        (entry(0.67, 0.65, 0.69, missing={"awa": "not there"}), Verdict.other_settings),
        (entry(0.67, 0.65, 0.69, comparable=False), Verdict.not_stated),
        (entry(0.67, 0, 0, metrics={"acc": MetricScore(0.67)}), Verdict.not_stated),
    ],
)
def test_verdicts(piqa: TaskScores, verdict: Verdict) -> None:
    cells = {cell.benchmark: cell for cell in sheets(scores(piqa=piqa))[0].cells}
    assert cells["PIQA"].verdict is verdict
    assert cells["HellaSwag"].verdict is Verdict.not_run


def test_only_tables_with_a_measured_row_are_shown() -> None:
    assert [sheet.title for sheet in sheets(scores(piqa=entry(0.6, 0.5, 0.7)))] == ["Gemma 3 270M"]
    assert [sheet.title for sheet in sheets(scores(mmlu=entry(0.3, 0.2, 0.4)))] == ["STEM and code"]


def rows(*runs: Scores) -> dict[str, list[str]]:
    return {sheet.title: [row.benchmark for row in sheet.rows] for sheet in card(runs).sheets}


def test_the_whole_card_has_its_41_rows_whatever_was_run() -> None:
    measured = entry(0.6, 0.5, 0.7)
    assert rows(scores("4b", piqa=measured)) == {table.title: [row.benchmark for row in table.rows] for table in MAIN}
    small = rows(scores(piqa=measured))  # the 270M's own table has seven of them
    assert list(small) == ["Gemma 3 270M", *(table.title for table in MAIN)] and sum(map(len, small.values())) == 41
    assert "ruler" not in str(small).lower() and "RULER 32K" in rows(scores("4b", ruler=measured))["Long context (report, table 15)"]


def test_runs_stand_side_by_side_with_the_published_numbers_of_all_sizes() -> None:
    measured = entry(0.677, 0.65, 0.69)
    shown = card(
        [scores(piqa=measured), scores("4b", piqa=measured), scores("4b", "it", ifeval=measured), scores("270m", "it", piqa=measured)]
    )
    found = {(sheet.title, row.benchmark): row for sheet in shown.sheets for row in sheet.rows}
    piqa = found["Reasoning and factuality", "PIQA"]
    assert {size: number.text for size, number in piqa.published.items()} == {
        "270m": "67.7",
        "1b": "73.8",
        "4b": "79.6",
        "12b": "81.8",
        "27b": "83.3",
    }
    assert [cell.verdict for cell in piqa.cells[:3]] == [Verdict.consistent, Verdict.differs, Verdict.not_run]
    assert "Gemma 3 270M" not in {sheet.title for sheet in shown.sheets}  # its rows all stand in the large models' table
    own = found["Gemma 3 270M, instruction-tuned", "PIQA"]
    assert own.cells[3].published is not None and own.cells[3].published.text == "66.2" and own.cells[0].verdict is Verdict.not_published
    assert [run.letter for run in shown.runs] == ["A", "B", "C", "D"]
    assert [sum(counts.values()) for counts in shown.counts()] == [sum(len(sheet.rows) for sheet in shown.sheets)] * 4


def titles(run: Scores) -> list[str]:
    return [sheet.title for sheet in sheets(run)]


def test_a_run_is_shown_in_the_tables_of_its_variant() -> None:
    reasoning = next(table.title for table in IT if table.key == "it_reasoning_factuality")
    measured = entry(0.722, 0.70, 0.74)
    assert titles(scores("4b", "it", bbh_it=measured, ifeval=measured)) == [reasoning]
    cells = {cell.benchmark: cell for cell in sheets(scores("4b", "it", bbh_it=measured))[0].cells}
    assert cells["BIG-Bench Hard"].verdict is Verdict.consistent  # published 72.2
    assert cells["SimpleQA"].verdict is Verdict.not_run and cells["SimpleQA"].remarks == "needs a judge model"


def test_a_task_of_the_other_variant_is_shown_in_its_own_table_without_a_number() -> None:
    for variant, task, title in [
        ("it", "bbh", "Reasoning and factuality"),
        ("pt", "bbh_it", "Instruction-tuned: reasoning and factuality"),
    ]:
        (sheet,) = sheets(scores("4b", variant, **{task: entry(0.5, 0.4, 0.6)}))
        assert sheet.title == title
        assert {cell.verdict for cell in sheet.cells if cell.value is not None} == {Verdict.not_published}


def test_the_small_models_cards_are_told_apart() -> None:
    measured = entry(0.662, 0.65, 0.67)
    (pretrained,), (tuned,) = sheets(scores(piqa=measured)), sheets(scores("270m", "it", piqa=measured))
    assert pretrained.title == "Gemma 3 270M" and tuned.title == "Gemma 3 270M, instruction-tuned"
    assert {cell.benchmark: cell.verdict for cell in tuned.cells}["PIQA"] is Verdict.consistent  # published 66.2, and 67.7
    assert {cell.benchmark: cell.verdict for cell in pretrained.cells}["PIQA"] is Verdict.differs


def test_changed_settings_are_named_in_every_row() -> None:
    change = {"max_tokens": 96, "dataset": {"split": "dev"}}
    for source in ("samples", "folder"):
        (sheet,) = sheets(scores(piqa=entry(0.67, 0.65, 0.69, changed=change, source=source, truncated=50)))
        assert {cell.benchmark: cell.remarks for cell in sheet.cells}["PIQA"] == "truncated 50.0%, max_tokens=96, dataset"


def test_a_difference_of_nothing_has_no_minus() -> None:
    assert "+0.0 | consistent" in to_markdown(card([scores(piqa=entry(0.67699, 0.65, 0.69))]))


def test_a_size_without_a_number() -> None:
    cells = {cell.benchmark: cell for sheet in sheets(scores("1b", mmlu=entry(0.3, 0.2, 0.4))) for cell in sheet.cells}
    assert cells["MMLU"].verdict is Verdict.not_published


def test_markdown_shows_rows_not_run_and_footnotes() -> None:
    text = to_markdown(card([scores("4b", piqa=entry(0.79, 0.77, 0.81, extraction_failures=3))]))
    assert "| PIQA [1] | 67.7 | 73.8 | 79.6 | 81.8 | 83.3 | 0 | 100/200 |  | 79.0 | 77.0-81.0 | -0.6 | consistent | unparsed 3.0% |" in text
    assert "| DROP |  | 42.4 | 60.1 | 72.2 | 77.2 |  |  |  |  |  |  | not run |  |" in text
    assert "[1] PIQA: The prompt is ours." in text


PARTS = ["indicgenbench_xquad", "indicgenbench_xorqa_en", "indicgenbench_xorqa_xx", "indicgenbench_flores"]


def part(value: float, stderr: float | None, **more: Any) -> TaskScores:
    ends = None if stderr is None else (value - 2 * stderr, value + 2 * stderr)
    return entry(0, 0, 0, metrics={"acc": MetricScore(value, stderr, ends)}, num_fewshot=5, **more)


@pytest.mark.parametrize("size", DETAIL.sizes)
def test_the_row_is_the_plain_mean_of_its_parts(size: str) -> None:
    """The report's four numbers, put in as measured, give the card's."""
    numbers = published("pt")
    values = [numbers["indicgenbench_detail", row.benchmark, size].value for row in DETAIL.rows]
    assert [row.task for row in DETAIL.rows] == PARTS
    filled = {sheet.title: sheet for sheet in sheets(scores(size, **{name: part(v, 0.1) for name, v in zip(PARTS, values, strict=True)}))}
    whole = filled["Multilingual"].cells[-1]
    assert whole.benchmark == "IndicGenBench" and whole.value == pytest.approx(sum(values) / 4)
    assert whole.verdict is Verdict.consistent
    assert [cell.verdict for cell in filled[DETAIL.title].cells] == [Verdict.consistent] * 4


def test_errors_of_parts_with_the_same_items_add_up() -> None:
    run = scores("4b", **{name: part(50.0, stderr) for name, stderr in zip(PARTS, (0.3, 0.2, 0.2, 0.0), strict=True)})
    whole = sheets(run)[0].cells[-1]
    assert whole.value == 50 and whole.low is not None and whole.high is not None
    assert whole.high - whole.value == pytest.approx(1.96 * 0.5 / 4, abs=1e-4)  # 0.3 beside 0.2 + 0.2
    assert whole.n == 400 and whole.shots == 5


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"source": "samples"}, Verdict.sample_only),
        ({"changed": {"num_fewshot": 1}}, Verdict.other_settings),
        ({"missing": {"awa": "not there"}}, Verdict.other_settings),
        ({}, Verdict.differs),
    ],
)
def test_what_holds_for_a_part_holds_for_the_row(change: dict[str, Any], verdict: Verdict) -> None:
    tasks = {name: part(50.0, 0.1) for name in PARTS} | {PARTS[1]: part(50.0, 0.1, **change)}
    assert sheets(scores("4b", **tasks))[0].cells[-1].verdict is verdict


def test_a_row_without_all_its_parts_is_not_run() -> None:
    found = {
        cell.benchmark: cell for sheet in sheets(scores("4b", **{name: part(50.0, 0.1) for name in PARTS[:3]})) for cell in sheet.cells
    }
    assert "IndicGenBench" not in found  # nothing of that table was run
    assert found["XQuAD-IN"].value == 50 and found["Flores-IN"].verdict is Verdict.not_run


def test_a_part_without_an_error_leaves_the_row_without_an_interval() -> None:
    tasks = {name: part(50.0, 0.1) for name in PARTS} | {PARTS[0]: part(50.0, None)}
    assert sheets(scores("4b", **tasks))[0].cells[-1].verdict is Verdict.not_stated


def test_a_row_may_show_a_group_of_subsets() -> None:
    group = GroupScores(n=11, size=22, asked=12, metrics={"acc": MetricScore(0.25, ci95=(0.2, 0.3))}, truncated=11)
    missing = {"32768/qa_1": "no data", "65536/vt": "too long"}
    whole = entry(0.5, 0.4, 0.6, comparable=False, missing=missing, groups={"32768": group})
    cells = {cell.benchmark: cell for sheet in sheets(scores("4b", ruler=whole)) for cell in sheet.cells}
    shown = cells["RULER 32K"]
    assert (shown.value, shown.n, shown.size, shown.published and shown.published.text) == (25.0, 11, 22, "67.1")
    assert shown.verdict is Verdict.not_stated
    assert shown.remarks == "truncated 100.0%, 1 not answered, without qa_1"
    assert cells["RULER 128K"].verdict is Verdict.not_run
