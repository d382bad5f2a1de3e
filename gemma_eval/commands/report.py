"""`gemma-eval report`: run directories as the card's tables, in a terminal or as files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_eval.commands import outputs
from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import DONE, report_missing
from gemma_eval.errors import ConfigError

if TYPE_CHECKING:
    from gemma_eval.card.rebuilt import Card
    from gemma_eval.store.run_dir import RunDir

NAME = "report"
HELP = "the card from run directories, in the terminal or as files"

FILES = {"markdown": "report.md", "html": "report.html", "latex": "report.tex", "csv": "report.csv"}
FORMATS = ("svg", "png", "pdf")
BESIDE = ""  # the form was asked for without a file name


def add_arguments(parser: CommandParser) -> None:
    """Take run directories, and the forms to write."""
    parser.description = "Rebuild the card from run directories: in the terminal, or as HTML, Markdown, LaTeX, CSV and figures."
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run directory; several are shown side by side")
    for form, name in FILES.items():
        parser.add_argument(
            f"--{form}", nargs="?", const=BESIDE, metavar="FILE",
            help=f"write {form} to FILE ('-': to the terminal) instead of tables; default: {name}, in the directory of a single run",
        )  # fmt: skip
    parser.add_argument(
        "--items", nargs="?", const=BESIDE, metavar="FOLDER",
        help="write the item browser with every question, prompt and answer; default: items/ beside the HTML page",
    )  # fmt: skip
    parser.add_argument("--figures", metavar="FOLDER", help="write the figures of the HTML page to files in FOLDER")
    parser.add_argument("--format", choices=FORMATS, default="svg", help="format of the figures; default: svg")


def main(arguments: argparse.Namespace) -> int:
    """Print the card, or write the forms that were asked for."""
    from gemma_eval.card.rebuilt import card
    from gemma_eval.report.console import default_console, print_card
    from gemma_eval.store.run_dir import RunDir

    runs = [RunDir.open(run) for run in arguments.runs]
    wanted = {form: given for form in FILES if (given := getattr(arguments, form)) is not None}
    if arguments.items is not None:  # before the page, which links to it
        _write_items(runs, arguments.items, wanted.get("html", BESIDE))
        if not wanted and not arguments.figures:
            return DONE
    shown = card([run.scores for run in runs])
    for form, given in wanted.items():
        file = given if given == outputs.TERMINAL else _file(form, given, runs)
        outputs.write(file, _written(form, shown, runs, file), f"--{form}")
        if file != outputs.TERMINAL:
            print(file)
    if arguments.figures:
        return _write_figures(shown, runs, Path(arguments.figures), arguments.format)
    if not wanted:
        print_card(shown, default_console())
    return DONE


def _write_items(runs: Sequence[RunDir], given: str, page: str) -> None:
    from gemma_eval.report.items import write_items

    folder = Path(given) if given != BESIDE else Path(_file("html", BESIDE if page == "-" else page, runs)).parent / "items"
    write_items(runs, folder)
    print(folder / "index.html")


def _file(form: str, given: str, runs: Sequence[RunDir]) -> str:
    """The file to write a form to."""
    if Path(given).is_dir() and given != BESIDE:
        raise ConfigError(f"--{form} {given}: a folder, not a file; name runs before --{form}, or a file after it")
    folder = runs[0].path if len(runs) == 1 else Path()
    return given if given != BESIDE else str(folder / FILES[form])


def _written(form: str, shown: Card, runs: Sequence[RunDir], file: str) -> str:
    """The card in one form."""
    if form == "html":
        from gemma_eval.report.page import to_html

        return to_html(shown, runs, Path() if file == "-" else Path(file).parent)
    from gemma_eval.report.csv import to_csv
    from gemma_eval.report.latex import to_latex
    from gemma_eval.report.markdown import to_markdown

    forms: dict[str, Callable[[Card], str]] = {"markdown": to_markdown, "latex": to_latex, "csv": to_csv}
    return forms[form](shown)


def _write_figures(shown: Card, runs: Sequence[RunDir], folder: Path, form: str) -> int:
    """The exit code: a figure that fails is named, and the others are written."""
    from gemma_eval.report.figures import Failed, save_figures

    failed = {}
    for found in save_figures(shown, runs, folder, form):
        if isinstance(found, Failed):
            failed[found.name] = str(found)
        else:
            print(found)
    return report_missing(failed)
