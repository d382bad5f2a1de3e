"""Tables in terminals of any width: whole columns go, and no name or number is ever cut."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from gemma_eval.card.rebuilt import Card, card
from gemma_eval.compare import Comparison, compare
from gemma_eval.gate import Policy, judge
from gemma_eval.report.comparison import tables
from gemma_eval.report.console import default_console, print_card, print_table
from gemma_eval.report.gate import STYLES, table
from gemma_eval.report.grid import grid
from gemma_eval.report.layout import on_one_line, wrap
from gemma_eval.report.table import NO_BREAK, Kind, TextColumn, TextTable
from tests.runs import answers, card_scores, generated, write_run

WIDTHS = [60, 80, 100, 140]


def console(width: int) -> Console:
    return Console(width=width, file=io.StringIO(), force_terminal=False)


def printed(shown: TextTable, width: int, styles: Sequence[str] = ()) -> str:
    out = console(width)
    print_table(shown, out, styles)
    return out.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def printed_card(shown: Card, width: int) -> str:
    out = console(width)
    print_card(shown, out)
    return out.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def left_out(text: str) -> set[str]:
    """The columns that the text says it does not show."""
    found = re.search(r"Not shown at \d+ columns: (.*?); widen the terminal", " ".join(text.split()))
    return set(found[1].split(", ")) if found else set()


def has(line: str, cells: Sequence[str]) -> bool:
    """Whether the line has every cell whole, between spaces or its ends."""
    return all(re.search(rf"(?<!\S){re.escape(cell)}(?!\S)", line) for cell in cells)


def check_whole(shown: TextTable, text: str, width: int) -> None:
    """Every row has a line with all names and numbers of the columns that are shown, and these columns have their whole headings."""
    gone = left_out(text)
    for index, column in enumerate(shown.columns):
        filled = index == 0 or any(row[index] for row in shown.rows)
        assert not filled or column.name in gone or all(has(text, [word]) for word in column.name.split())
        assert column.rank or column.name not in gone
    for row in shown.rows:
        cells = [cell for column, cell in zip(shown.columns, row, strict=True) if column.kind is not Kind.words and column.name not in gone]
        assert any(has(line, [cell for cell in cells if cell]) for line in text.splitlines()), row
    assert "…" not in text and all(cell_len(line) <= width for line in text.splitlines())


# -- comparisons and gates --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Two runs with long task names, flips, choices and graded scores."""
    folder = tmp_path_factory.mktemp("runs")
    right = [i % 3 > 0 for i in range(1200)]
    changed = [one != (i % 17 == 0) for i, one in enumerate(right)]
    texts = [[generated("indicgenbench_xorqa_en", str(i), "a b c" if i % k else "x", ["a b c d"]) for i in range(40)] for k in (3, 4)]
    ours = {"piqa": answers(right), "arc_challenge": answers(right[:300], "arc_challenge"), "indicgenbench_xorqa_en": texts[0]}
    theirs = {"piqa": answers(changed), "arc_challenge": answers(changed[:300], "arc_challenge"), "indicgenbench_xorqa_en": texts[1]}
    return compare(write_run(folder / "a", ours), write_run(folder / "b", theirs))


@pytest.mark.parametrize("width", WIDTHS)
def test_comparisons(comparison: Comparison, width: int) -> None:
    for shown in tables(comparison):
        check_whole(shown, printed(shown, width), width)


@pytest.mark.parametrize("width", WIDTHS)
def test_gates(comparison: Comparison, width: int) -> None:
    result = judge(comparison, Policy())
    check_whole(table(result), printed(table(result), width, [STYLES[one.decision] for one in result.all_verdicts]), width)


def test_the_columns_of_the_highest_rank_go_first(comparison: Comparison) -> None:
    scores = tables(comparison)[0]
    gone = [left_out(printed(scores, width)) for width in (140, 80, 70, 60)]
    assert gone[0] == set() and gone[1] == {"Gained / lost"} and gone[2] == {"p", "Gained / lost"}
    assert gone[3] == {"Items", "p", "p (Holm)", "Gained / lost"}
    assert "widen the terminal or use --markdown -." in " ".join(printed(scores, 80).split())


# -- the card ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_the_card_of_one_run(width: int) -> None:
    shown = card([card_scores("4b")])
    text = printed_card(shown, width)
    gone = left_out(text)
    for sheet in shown.sheets:
        for row in sheet.rows:
            cell = row.cells[0]
            wanted = [row.published["4b"].text] if "4b" in row.published else []
            if cell.value is not None:
                wanted.append(f"{cell.value:.1f}")
                wanted += [] if "95 % interval" in gone else [f"{cell.low:.1f}-{cell.high:.1f}"]
                wanted += [] if "Items" in gone else [f"{cell.n}/{cell.size}" if cell.n < cell.size else f"{cell.n}"]
            assert any(has(line, [row.benchmark, *wanted]) for line in text.splitlines()), (row.benchmark, wanted)
            for remark in filter(None, cell.remarks.split(", ")):
                assert remark in " ".join(text.split()), row.benchmark
    assert "…" not in text and all(cell_len(line.rstrip()) <= width for line in text.splitlines())
    assert not gone & {"Benchmark", "4B", "Measured", "Verdict"} and ("12B" in gone) == (width < 140)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_card_of_several_runs(width: int) -> None:
    scores = [card_scores(size, f"a-run-of-the-{size}-with-a-long-name") for size in ("270m", "1b", "4b", "12b", "27b")]
    text = printed_card(card(scores), width)
    for sheet in card(scores).sheets:
        for row in sheet.rows:
            lines = [(line, below) for line, below in zip(text.splitlines(), [*text.splitlines()[1:], ""], strict=True)]
            for run, cell in zip(card(scores).runs, row.cells, strict=True):
                published = [row.published[run.size].text] if run.size in row.published else []
                value = [] if cell.value is None else [f"{cell.value:.1f}"]
                assert any(has(line, [row.benchmark, *published, *value]) for line, _ in lines), (row.benchmark, run.size)
                interval = "" if cell.low is None else f"{cell.low:.1f}-{cell.high:.1f}"
                assert any(has(line, [row.benchmark, *value]) and interval in line + below for line, below in lines), interval
    tables_alone = [line for line in text.splitlines() if not re.match(r"[A-E]: |✓", line)]
    assert "…" not in text and all(cell_len(line.rstrip()) <= width for line in tables_alone)


def test_remarks_that_do_not_fit_are_footnotes() -> None:
    shown = card([card_scores("4b")])
    wide, narrow = grid(shown.sheets[0], shown.runs), grid(shown.sheets[0], shown.runs, remarks_below=True)
    assert len(narrow.columns) == len(wide.columns) - 1 and "Remarks" not in left_out(printed_card(shown, 60))
    assert wide.notes[1] == "BoolQ: The prompt of boolq is not stated."
    assert narrow.notes[1] == "BoolQ: The prompt of boolq is not stated. This run: empty 9.4%."


# -- any table --------------------------------------------------------------------------------------------------

NAMES = st.text("abcDEF_0漢é", min_size=1, max_size=30)
NUMBERS = st.sampled_from(["", "0.5", "12,345", "-1.23 to +4.56", "12 / 24", "< 0.0001"])
WORDS = st.lists(NAMES, max_size=6).map(" ".join)
COLUMNS = st.lists(st.builds(TextColumn, NAMES, st.sampled_from(Kind), st.integers(0, 3)), max_size=7).map(
    lambda columns: [TextColumn("Task", Kind.name), *columns]
)
CELLS = {Kind.name: NAMES, Kind.number: NUMBERS, Kind.words: WORDS}
TABLES = COLUMNS.flatmap(
    lambda columns: st.builds(
        TextTable,
        st.just("Any title"),
        st.just(columns),
        st.lists(st.tuples(*(CELLS[column.kind] for column in columns)).map(list), min_size=1, max_size=4),
        st.sampled_from(["", "--markdown -"]),
    )
)


@given(TABLES, st.integers(20, 160))
@example(TextTable("", [TextColumn("Task", Kind.name), TextColumn("", Kind.words)], [["a", "b"]]), 20)
def test_no_cell_of_any_table_is_ever_cut(shown: TextTable, width: int) -> None:
    text = printed(shown, width)
    lines = text.splitlines()
    for row in shown.rows:
        for index, (column, cell) in enumerate(zip(shown.columns, row, strict=True)):
            if column.kind is Kind.words:
                assert column.rank or all(word in text for word in cell.split())
            elif column.rank == 0:
                assert any(cell in line for line in lines), (index, cell)
    assert "…" not in text


def test_a_table_that_fits_nowhere_becomes_blocks() -> None:
    shown = TextTable(
        "Tasks", [TextColumn("Task", Kind.name), TextColumn("Items"), TextColumn("Why", Kind.words)], [["a" * 30, "12,345", "no data"]]
    )
    assert printed(shown, 20).split("\n")[:4] == ["Tasks", "a" * 30, "  Items: 12,345", "  Why: no data"]


def test_columns_of_one_rank_go_together_and_empty_ones_are_not_mentioned() -> None:
    columns = [TextColumn("Task", Kind.name), TextColumn("One", rank=1), TextColumn("None", rank=1), TextColumn("Two", rank=1)]
    shown = TextTable("", columns, [["t" * 10, "1" * 8, "", "2"]])
    assert left_out(printed(shown, 18)) == {"One", "Two"}
    assert "Not shown" not in printed(shown, 40) and "None" not in printed(shown, 40)


def test_words_wrap_at_spaces_alone() -> None:
    assert wrap(f"unparsed{NO_BREAK}3.0%, truncated{NO_BREAK}12.5% of-them", 16) == ["unparsed 3.0%,", "truncated 12.5%", "of-them"]
    assert wrap("a_name_that_is_too_long x", 5) == ["a_name_that_is_too_long", "x"]


def test_text_cannot_control_the_terminal() -> None:
    assert on_one_line("a\nb\x1b[31mc\u202ed") == "a b?[31mc?d"
    shown = TextTable("t\x1b", [TextColumn("Task", Kind.name)], [["a\x1b[2J"]])
    assert "\x1b" not in printed(shown, 80)


def test_columns_say_how_wide_a_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        monkeypatch.delenv("COLUMNS", raising=False)
        assert default_console().width == 120
        monkeypatch.setenv("COLUMNS", "80")
        assert default_console().width == 80
