"""`gemma-eval report`: run directories as the card's tables, in a terminal or as files."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_eval.errors import ConfigError

if TYPE_CHECKING:
    from gemma_eval.card.rebuilt import Card
    from gemma_eval.store.run_dir import RunDir


FILES = {"markdown": "report.md", "html": "report.html", "latex": "report.tex", "csv": "report.csv"}
FORMATS = ("svg", "png", "pdf")
BESIDE = ""  # the form was asked for without a file name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run directory; several are shown side by side")
    for form, name in FILES.items():
        parser.add_argument(
            f"--{form}", nargs="?", const=BESIDE, metavar="FILE",
            help=f"write {form} to FILE ('-': to the terminal) instead of tables; default: {name}, of one run in its directory",
        )  # fmt: skip
    parser.add_argument(
        "--items", nargs="?", const=BESIDE, metavar="FOLDER",
        help="write the item browser: every question, prompt and answer; default: items/ beside the HTML page",
    )  # fmt: skip
    parser.add_argument("--figures", metavar="FOLDER", help="write the figures of the HTML page to files in FOLDER")
    parser.add_argument("--format", choices=FORMATS, default="svg", help="of the figures; default: svg")


def main(arguments: argparse.Namespace) -> int:
    from gemma_eval.card.rebuilt import card
    from gemma_eval.report.console import print_card
    from gemma_eval.store.run_dir import RunDir

    runs = [RunDir.open(run) for run in arguments.runs]
    wanted = {form: given for form in FILES if (given := getattr(arguments, form)) is not None}
    if arguments.items is not None:  # before the page, which links to it
        _write_items(runs, arguments.items, wanted.get("html", BESIDE))
        if not wanted and not arguments.figures:
            return 0
    shown = card([run.scores() for run in runs])
    for form, given in wanted.items():
        file = given if given == "-" else _file(form, given, runs)
        _write(file, _written(form, shown, runs, file))
    if arguments.figures:
        _write_figures(shown, runs, Path(arguments.figures), arguments.format)
    if not wanted and not arguments.figures:
        print_card(shown)
    return 0


def _write_items(runs: list[RunDir], given: str, page: str) -> None:
    from gemma_eval.report.items import write_items

    folder = Path(given) if given != BESIDE else Path(_file("html", BESIDE if page == "-" else page, runs)).parent / "items"
    write_items(runs, folder)
    print(folder / "index.html")


def _file(form: str, given: str, runs: list[RunDir]) -> str:
    if Path(given).is_dir() and given != BESIDE:
        raise ConfigError(f"--{form} {given}: a folder, not a file; name runs before --{form}, or a file after it")
    folder = runs[0].path if len(runs) == 1 else Path()
    return given if given != BESIDE else str(folder / FILES[form])


def _written(form: str, shown: Card, runs: list[RunDir], file: str) -> str:
    if form == "html":
        from gemma_eval.report.page import to_html

        return to_html(shown, runs, Path() if file == "-" else Path(file).parent)
    from gemma_eval.report.csv import to_csv
    from gemma_eval.report.latex import to_latex
    from gemma_eval.report.markdown import to_markdown

    forms: dict[str, Callable[[Card], str]] = {"markdown": to_markdown, "latex": to_latex, "csv": to_csv}
    return forms[form](shown)


def _write(file: str, text: str) -> None:
    if file == "-":
        print(text, end="")
        return
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(text, encoding="utf-8", errors="backslashreplace")  # data sets hold halves of surrogate pairs
    print(file)


def _write_figures(shown: Card, runs: list[RunDir], folder: Path, form: str) -> None:
    from gemma_eval.report.figures import figures, save

    folder.mkdir(parents=True, exist_ok=True)
    for figure in figures(shown, runs):
        print(save(figure, folder, form))
