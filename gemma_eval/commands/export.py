"""`gemma-eval export`: runs in the formats of other tools."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run directory")
    parser.add_argument("--to", metavar="FORM", required=True, help="parquet, csv, lm-eval, model-index, wandb or mlflow")
    parser.add_argument("--out", metavar="FOLDER", default="export", help="folder to write to; default: export")


def main(arguments: argparse.Namespace) -> int:
    from gemma_eval.export import export
    from gemma_eval.export import frames as results

    for written in export(results.load(arguments.runs), arguments.to, Path(arguments.out)):
        print(written)
    return 0
