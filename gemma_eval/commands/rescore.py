"""`gemma-eval rescore`: score finished runs again with today's metrics."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import DONE, report_missing

if TYPE_CHECKING:
    from gemma_eval.store.run_dir import RunDir

NAME = "rescore"
HELP = "score finished runs again, without a model"


def add_arguments(parser: CommandParser) -> None:
    """Take run directories, or a task to explain."""
    parser.description = "Score finished runs again with today's metrics, without a model."
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run directory")
    parser.add_argument(
        "--explain", metavar="TASK", help="write nothing; list the items of TASK on which its primary metric and a diagnostic differ"
    )


def main(arguments: argparse.Namespace) -> int:
    """Rescore each run and say how many records changed, or explain a task of each run."""
    from gemma_eval.run.rescore import rescore
    from gemma_eval.store.run_dir import RunDir

    if arguments.explain is not None:
        return max([_explain(RunDir.open(run), arguments.explain) for run in arguments.runs])
    for run in arguments.runs:
        print(f"{run}: {rescore(RunDir.open(run))} records changed")
    return DONE


def _explain(directory: RunDir, task: str) -> int:
    """Print the items that differ. Returns the exit code."""
    from gemma_eval.report.console import default_console, print_lines, print_table
    from gemma_eval.report.explanation import explanation_table
    from gemma_eval.run.rescore import explain

    explained, missing = explain(directory, task)
    table, console = explanation_table(explained, directory.name), default_console()
    if explained.differences:
        print_table(table, console)
    else:
        print_lines([table.title], console)
    return report_missing(missing)
