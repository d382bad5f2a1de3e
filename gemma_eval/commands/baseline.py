"""`gemma-eval baseline`: what `compare` and `gate` need of a run, in one small file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import DONE
from gemma_eval.runtime.disk import refusing

NAME = "baseline"
HELP = "keep a run's results in one small file, without any text"


def add_arguments(parser: CommandParser) -> None:
    """Take a run directory and the file to write."""
    parser.description = "Keep a run's scores and item results in one small file, without any text of a data set."
    parser.add_argument("run", metavar="RUN", help="run directory")
    parser.add_argument("--repeat", metavar="RUN", help="a second run of the same model; how far it differs becomes the gate's noise floor")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="file to write, such as baselines/4b-it.json.gz")


def main(arguments: argparse.Namespace) -> int:
    """Write the baseline, and say how large it is."""
    from gemma_eval.compare import compare, load, save_baseline
    from gemma_eval.gate import noise_floor

    results, file = load(arguments.run), Path(arguments.output)
    if arguments.repeat:
        results = replace(results, noise=noise_floor(compare(results, arguments.repeat)))
    with refusing(file, "-o"):
        save_baseline(results, file)
    print(f"{file}: {file.stat().st_size / 1e6:.2f} MB")
    return DONE
