"""Every form of the report shows the numbers of scores.json, all rows of the card, and hostile text as text."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from gemma_eval.card import CARD_TABLES, SIZES
from gemma_eval.card.rebuilt import Card, card
from gemma_eval.commands.main import main
from gemma_eval.report.console import print_card
from gemma_eval.report.csv import to_csv
from gemma_eval.report.latex import escape, to_latex
from gemma_eval.report.markdown import to_markdown
from gemma_eval.store.scores import Scores
from tests.runs import answers, card_scores, write_card_run, write_run

HOSTILE = """<script>alert(1)</script> "x" & 'y' | ` $100 \\input{a} #1 50% _ ^ ~ \u202e \ufffe 漢字 -- {{ 7 }}"""
ROWS = {row.task: (table, row) for table in reversed(CARD_TABLES) for row in table.rows if row.task and not row.group and not row.parts}


def in_card_units(scores: Scores) -> Iterator[tuple[str, list[float]]]:
    """Value and both ends of the interval of each row that one task measures, in the card's unit."""
    for task, found in scores.tasks.items():
        if task in ROWS:
            _, row = ROWS[task]
            yield row.benchmark, [(end or 0.0) * row.scale for end in (found.score.value, found.score.low, found.score.high)]


def expected(scores: Scores) -> Iterator[tuple[str, list[str]]]:
    """What a reader must find in each row that one task measures."""
    for benchmark, (value, low, high) in in_card_units(scores):
        yield benchmark, [f"{value:.1f}", f"{low:.1f}-{high:.1f}"]


@pytest.fixture(scope="module")
def five() -> list[Scores]:
    return [card_scores(size) for size in SIZES]


@pytest.fixture(scope="module", params=["four", "five", "tuned"])
def runs(request: pytest.FixtureRequest, five: list[Scores]) -> list[Scores]:
    """One run, all sizes side by side, and instruction-tuned ones beside a pre-trained one."""
    tuned = [card_scores("4b", variant="it"), card_scores("270m", variant="it"), five[2]]
    choices: dict[str, list[Scores]] = {"four": five[2:3], "five": five, "tuned": tuned}
    return choices[request.param]


def lines_of(text: str, benchmark: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(rf"[ |]*{re.escape(benchmark)}\W", line)]


def holds(line: str, parts: list[str]) -> bool:
    return all(re.search(rf"(?<![\d.]){re.escape(part)}(?![\d.])", line) for part in parts)


def terminal(shown: Card) -> str:
    console = Console(width=300, file=io.StringIO(), force_terminal=False)
    print_card(shown, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("form", [to_markdown, to_latex, terminal])
def test_every_value_and_every_row_is_in_the_text_forms(form: Callable[[Card], str], runs: list[Scores]) -> None:
    shown = card(runs)
    text = form(shown).replace("{-}", "-").replace(r"\textsuperscript", " ").replace(r"\&", "&").replace(r"\+", "+")
    for sheet in shown.sheets:
        for row in sheet.rows:
            published = [number.text for number in row.published.values()]
            assert any(holds(line, published) for line in lines_of(text, row.benchmark)), (sheet.title, row.benchmark)
    for scores in runs:
        for benchmark, parts in expected(scores):
            assert any(holds(line, parts) for line in lines_of(text, benchmark)), (scores.run, benchmark, parts)


def test_csv_has_every_number_at_full_precision(runs: list[Scores]) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(card(runs)))))
    measured = {(line["run"], line["benchmark"], line["table"]): line for line in lines if line["kind"] == "measured"}
    for scores in runs:
        for name, wanted in in_card_units(scores):
            found = [line for (run, benchmark, _), line in measured.items() if (run, benchmark) == (scores.run, name)]
            assert wanted in [[float(line[key]) for key in ("value", "low", "high")] for line in found if line["value"]]
    for table in (table for table in CARD_TABLES if table.key == "reasoning_factuality" and runs[0].model.variant == "pt"):
        sizes = [(line["benchmark"], line["size"]) for line in lines if line["kind"] == "published" and line["table"] == table.key]
        assert {size for benchmark, size in sizes if benchmark == "PIQA"} == set(SIZES) and len(sizes) == len(set(sizes)) == 51


def page(folder: Path, *runs: Path) -> ElementTree.Element:
    """The HTML page, which is well-formed but for its doctype and void elements."""
    assert main(["report", *map(str, runs), "--html", str(folder / "page.html")]) == 0
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(https?:)?//""", text), "the page asks for something outside of it"
    body = text[text.index("<body>") : text.index("<script>")] + "</body>"
    return ElementTree.fromstring(body.replace("\ufffe", ""))  # which XML cannot hold


def test_the_page_has_every_number_of_every_metric_and_subset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemma_eval.report.page.figures", lambda *_: [])  # they are slow, and have tests of their own
    runs = [write_card_run(tmp_path / "4b", "4b"), write_run(tmp_path / "r", {"piqa": answers([True, False] * 20)})]
    root = page(tmp_path, *(run.path for run in runs))
    cells = {cell.attrib.get("data-sort") for cell in root.iter("td")}
    for run in runs:
        for task, scores in run.scores.tasks.items():
            for part in (scores, *scores.subsets.values(), *scores.groups.values()):
                for metric in part.metrics.values():
                    assert {repr(metric.value), repr(metric.stderr), repr(metric.low)} <= cells, task
        for _, (value, _, _) in in_card_units(run.scores):
            assert repr(value) in cells
    captions = ["".join(caption.itertext()) for caption in root.iter("caption")]
    assert {table.title for table in CARD_TABLES if table.variant == "pt" and not table.detail and table.key != "card_270m"} <= set(
        captions
    )


def hostile_run(folder: Path) -> Path:
    """A run whose every word that is not ours is hostile."""
    run = write_card_run(folder / HOSTILE.replace("/", ""), "4b")
    scores = run.scores.to_json()
    scores["tasks"] = {name: scores["tasks"][name] for name in ("piqa", "mmlu")}
    scores["tasks"]["piqa"] |= {"undisclosed": HOSTILE, "warnings": [f"{HOSTILE}\ud800"]}
    subset = {key: scores["tasks"]["piqa"][key] for key in ("n", "metrics")}
    scores["tasks"]["mmlu"]["subsets"] = {f"{HOSTILE}{i}": subset for i in range(4)}
    scores["model"]["weights"] = HOSTILE
    (run.path / "scores.json").write_text(json.dumps(scores))  # half of a surrogate pair can only be written escaped
    return run.path


def test_hostile_text_is_text_in_the_page(tmp_path: Path) -> None:
    run = hostile_run(tmp_path)
    root = page(tmp_path, run)
    notes = {"".join(item.itertext()).removeprefix("PIQA: ") for item in root.iter("li")}
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    targets = [link.attrib["href"][1:] for link in root.iter("a") if link.attrib["href"].startswith("#")]
    assert set(targets) <= set(ids)
    assert not list(root.iter("script")) and HOSTILE.replace("\ufffe", "") in notes


def test_hostile_text_keeps_tables_whole() -> None:
    def shape(text: str) -> list[int]:
        return [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")]

    clean = card([card_scores("4b")])
    shown = card([replace(card_scores("4b"), run=HOSTILE + "\n| x")])
    shown.sheets[0].rows[0].cells[0].__dict__["remarks"] = HOSTILE + "\n| x"
    assert shape(to_markdown(shown)) == shape(to_markdown(clean)) and "<script" not in to_markdown(shown)
    assert HOSTILE[:8] in terminal(shown)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(tmp_path: Path, runs: list[Scores]) -> None:
    assert "Overfull" not in compiled(tmp_path, to_latex(card(runs)))
    shown = card([*runs, replace(runs[0], run=HOSTILE)])
    shown.sheets[0].rows[0].cells[0].__dict__["note"] = HOSTILE + "".join(map(chr, range(32, 0x180)))
    compiled(tmp_path, to_latex(shown))


def compiled(folder: Path, text: str) -> str:
    """What pdflatex says of a document."""
    (folder / "card.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "card.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_latex_signs() -> None:
    assert escape("50% of $1 & a_b {c} #2 漢") == r"50\% of \$1 \& a\_b \{c\} \#2 [U+6F22]"


def test_the_command_writes_all_forms_beside_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "r", {"piqa": answers([True] * 60 + [False] * 40)}).path
    assert main(["report", str(run), "--markdown", "--latex", "--csv", "--html"]) == 0
    assert capsys.readouterr().out.split() == [str(run / f"report.{end}") for end in ("md", "html", "tex", "csv")]
    assert all((run / f"report.{end}").stat().st_size > 1000 for end in ("md", "html", "tex", "csv"))
    assert main(["report", str(run), "--csv", "-"]) == 0 and ",60.0," in capsys.readouterr().out
    assert main(["report", "--html", str(run), str(run)]) == 1 and "a folder, not a file" in capsys.readouterr().err


def test_rows_link_to_the_item_browser_only_where_it_was_written(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", {"piqa": answers([True, False] * 20)}).path

    def links() -> set[str]:
        return {link.attrib["href"] for link in page(tmp_path, run).iter("a") if not link.attrib["href"].startswith("#")}

    assert links() == set()
    (tmp_path / "items").mkdir()
    (tmp_path / "items" / "index.html").touch()
    assert {"items/index.html", "items/index.html#task=piqa"} <= links()
