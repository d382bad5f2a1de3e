"""The report's page in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gemma_eval.card import CARD_TABLES
from gemma_eval.commands.main import main
from gemma_eval.store.scores import PartScores
from tests.runs import answers, write_card_run, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]

TAKEN = "<script>window.taken = 1</script><img src=x onerror='window.taken = 1'>"
TABLE = "#card table:has(caption:text-is('STEM and code'))"


def small_runs(folder: Path) -> list[str]:
    """Two runs with records, one of them hostile."""
    first = write_run(folder / "small", {"piqa": answers([True] * 50 + [False] * 30)})
    second = write_run(folder / TAKEN.replace("/", ""), {"piqa": answers([True] * 40 + [False] * 40)}, model={"weights": TAKEN})
    return [str(first.path), str(second.path)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of a 4B beside the small runs, with hostile subsets and notes."""
    folder = tmp_path_factory.mktemp("page")
    wide = write_card_run(folder / "wide", "4b")
    table = next(table for table in CARD_TABLES if table.key == "stem_code")
    tasks = {name: wide.scores.tasks[name] for name in sorted({*table.tasks, "piqa"})}
    subset = PartScores(n=tasks["piqa"].n, metrics=tasks["piqa"].metrics)
    tasks["mmlu"] = replace(tasks["mmlu"], subsets={f"{TAKEN}{i}": subset for i in range(5)}, undisclosed=TAKEN)
    wide.write_json("scores.json", replace(wide.scores, tasks=tasks).to_json())
    page = folder / "report.html"
    assert main(["report", str(wide.path), *small_runs(folder), "--html", str(page)]) == 0
    return page


@pytest.fixture(scope="module")
def small_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """axe-core takes its time with thousands of elements."""
    page = tmp_path_factory.mktemp("small") / "report.html"
    assert main(["report", *small_runs(page.parent), "--html", str(page)]) == 0
    return page


def column(page: Page, index: int) -> list[str]:
    return page.locator(f"{TABLE} tbody tr > :nth-child({index})").all_inner_texts()


def test_tables_sort_by_their_headers(report: Path, open_page: Open) -> None:
    page = open_page(report)
    before = column(page, 1)
    header = page.locator(f"{TABLE} thead tr:last-child th:nth-child(2)")
    button = header.get_by_role("button", name="4B")
    button.focus()
    page.keyboard.press("Enter")
    values = [float(text) for text in column(page, 2) if text]
    assert header.get_attribute("aria-sort") == "ascending" and values == sorted(values) and len(values) == 8
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in column(page, 2) if text] == sorted(values, reverse=True)
    page.locator(f"{TABLE} thead").get_by_role("button", name="Benchmark").click()
    assert header.get_attribute("aria-sort") is None and column(page, 1) == sorted(column(page, 1), key=str.lower) != before
    items = page.locator(f"{TABLE} thead").get_by_role("button", name="Measured").first
    items.click()
    assert column(page, 2)[0] != ""  # rows without a value stay last
    assert page.evaluate("window.taken") is None


def test_without_scripts_the_tables_are_there(report: Path, open_page: Open) -> None:
    page = open_page(report, java_script_enabled=False)
    assert len(column(page, 1)) == 8 and page.get_by_role("button").count() == 0
    assert page.locator("#figures figure svg").count() >= 8


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (360, False)])
def test_accessible_and_no_wider_than_the_screen(small_report: Path, open_page: Open, width: int, dark: bool) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed (extra `dev`)").Axe()
    page = open_page(small_report, width=width, height=800, dark=dark)
    for summary in page.locator("summary").all():
        summary.click()
    found: dict[str, Any] = axe.run(page, options={"preload": False}).response
    assert [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]] == []
    assert found["passes"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
