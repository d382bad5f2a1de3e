"""`gemma-eval compare`: runs against a first one, item by item."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gemma_eval.commands import outputs
from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import DONE
from gemma_eval.errors import ConfigError

if TYPE_CHECKING:
    from gemma_eval.compare import Comparison

NAME = "compare"
HELP = "runs against a first one, item by item"

FORMS = ("markdown", "json", "html")


def add_arguments(parser: CommandParser) -> None:
    """Take runs, and the forms to write."""
    parser.description = "Compare runs with a first one, item by item: paired differences, flips, tests, cost."
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run directory or baseline file; the others are compared with the first")
    for form in FORMS:
        parser.add_argument(f"--{form}", metavar="FILE", help=f"write {form} to FILE ('-': to the terminal) instead of tables")


def main(arguments: argparse.Namespace) -> int:
    """Print the comparisons, or write the forms that were asked for."""
    from gemma_eval.compare import compare, load

    if len(arguments.runs) < 2:
        raise ConfigError("compare needs two runs or more: gemma-eval compare A B")
    first, *others = (load(run) for run in arguments.runs)
    comparisons = [compare(first, other) for other in others]
    files = {form: file for form in FORMS if (file := getattr(arguments, form))}
    for form, file in files.items():
        outputs.write(file, _written(form, comparisons), f"--{form}")
    if not files:
        _print(comparisons)
    return DONE


def _written(form: str, comparisons: list[Comparison]) -> str:
    from gemma_eval.report.comparison import to_json, to_markdown
    from gemma_eval.report.html import comparison_html
    from gemma_eval.store.documents import to_text

    if form == "json":
        return to_text([to_json(comparison) for comparison in comparisons], indent=1) + "\n"
    return to_markdown(comparisons) if form == "markdown" else comparison_html(comparisons)


def _print(comparisons: list[Comparison]) -> None:
    from gemma_eval.report.comparison import headline, tables
    from gemma_eval.report.console import default_console, print_lines, print_table

    console = default_console()
    for comparison in comparisons:
        print_lines(headline(comparison), console)
        for table in tables(comparison):
            print_table(table, console)
