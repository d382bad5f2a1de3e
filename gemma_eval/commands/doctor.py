"""`gemma-eval doctor`: does a backend read and answer as it should?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma_eval.commands import outputs
from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import DONE, UNHEALTHY
from gemma_eval.commands.hydra_settings import add_settings, with_settings

if TYPE_CHECKING:
    from rich.console import Console

    from gemma_eval.doctor.findings import Finding
    from gemma_eval.settings import RunConfig

NAME = "doctor"
WRITE = "--write"
HELP = "check a backend's tokenizer, BOS, log-probabilities and texts"


def add_arguments(parser: CommandParser) -> None:
    """Take settings, and what to compare with."""
    parser.description = "Check tokenizer, BOS, log-probabilities and texts of a backend, alone and beside another one."
    parser.epilog = "exit code: 0 healthy; 1 refused; 4 not healthy"
    parser.add_argument(
        "--against", metavar="BACKEND|FILE",
        help="compare with another backend, or with a file that --write made; default: the reference stored for this checkpoint, if any",
    )  # fmt: skip
    parser.add_argument(WRITE, metavar="FILE", help="write the measurements as JSON")
    add_settings(parser, usage="%(prog)s [--against BACKEND|FILE] [--write FILE] [key=value ...]")


def main(arguments: argparse.Namespace) -> int:
    """Measure the backend, and print the findings."""
    return with_settings(arguments.settings, partial(_examine, arguments))


def _examine(arguments: argparse.Namespace, config: RunConfig) -> int:
    from gemma_eval.doctor.findings import examine
    from gemma_eval.doctor.measure import measure, other_measurements, read
    from gemma_eval.settings import BACKENDS
    from gemma_eval.store.documents import to_text, without_nan

    if arguments.write:
        outputs.check(arguments.write, WRITE)
    if arguments.against and arguments.against not in BACKENDS:
        read(Path(arguments.against))  # refused before the model is loaded
    measured = measure(config)
    if arguments.write:
        outputs.write(arguments.write, to_text(without_nan(measured)) + "\n", WRITE)
    other = other_measurements(config, measured, arguments.against)
    findings = examine(measured, other)
    print_findings(measured, other, findings)
    return DONE if all(finding.healthy for finding in findings) else UNHEALTHY


def print_findings(
    measured: dict[str, Any], other: dict[str, Any] | None, findings: Sequence[Finding], console: Console | None = None
) -> None:
    """What was measured and compared, a line for each check, and the verdict."""
    from gemma_eval.report.console import default_console, print_lines, print_table
    from gemma_eval.report.table import Kind, TextColumn, TextTable

    console = console or default_console()
    against = _described(other) if other else "nothing: no reference is stored for this checkpoint; give --against"
    print_lines([f"checked: {_described(measured)}", f"against: {against}", ""], console)
    columns = [TextColumn("Check", Kind.name), TextColumn("Verdict", Kind.name), TextColumn("Found", Kind.words)]
    rows = [[finding.name, "ok" if finding.healthy else "WRONG", finding.detail] for finding in findings]
    print_table(TextTable("", columns, rows), console, ["" if finding.healthy else "red" for finding in findings])
    print_lines([_verdict(findings)], console, "bold")


def _verdict(findings: Sequence[Finding]) -> str:
    from gemma_eval.doctor.prompts import IMAGE

    wrong = [finding for finding in findings if not finding.healthy]
    if not wrong:
        return "healthy"
    return "healthy for text, not for images" if all(finding.name.partition(":")[0] in IMAGE for finding in wrong) else "not healthy"


def _described(measured: dict[str, Any]) -> str:
    """Engine, versions and attention in one line."""
    model, packages = measured["model"], measured["packages"]
    attention = f"attention {model['attention']}, " if "attention" in model else ""
    versions = ", ".join(f"{name} {packages[name]}" for name in ("torch", "transformers") if name in packages)
    return f"{model['engine']} {model['engine_version']}, {model['dtype']} on {model['device']}, {attention}{versions}"
