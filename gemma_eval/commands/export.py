"""`gemma-eval export`: runs in the formats of other tools."""

from __future__ import annotations

import argparse
from pathlib import Path

from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import DONE

NAME = "export"
HELP = "runs for pandas, the Hub, lm-evaluation-harness, W&B, MLflow"


def add_arguments(parser: CommandParser) -> None:
    """Take run directories, and the form to write."""
    parser.description = "Write runs for other tools: pandas, the Hub's model cards, lm-evaluation-harness, W&B, MLflow."
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run directory")
    parser.add_argument("--to", metavar="FORM", required=True, help="parquet, csv, lm-eval, model-index, wandb or mlflow")
    parser.add_argument("--out", metavar="FOLDER", default="export", help="folder to write to; default: export")


def main(arguments: argparse.Namespace) -> int:
    """Write the runs in the form, and print what was written."""
    from gemma_eval.export import export, load

    for written in export(load(arguments.runs), arguments.to, Path(arguments.out)):
        print(written)
    return DONE
