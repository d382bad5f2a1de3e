"""`gemma-eval rescore`: score finished runs again with today's metrics."""

from __future__ import annotations

import argparse

from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import DONE

NAME = "rescore"
HELP = "score finished runs again, without a model"


def add_arguments(parser: CommandParser) -> None:
    """Take run directories."""
    parser.description = "Score finished runs again with today's metrics, without a model."
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run directory")


def main(arguments: argparse.Namespace) -> int:
    """Rescore each run, and say how many records changed."""
    from gemma_eval.run.rescore import rescore
    from gemma_eval.store.run_dir import RunDir

    for run in arguments.runs:
        print(f"{run}: {rescore(RunDir.open(run))} records changed")
    return DONE
