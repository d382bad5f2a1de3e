"""Gemma-eval doctor."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gemma_eval.settings import RunConfig
import json
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gemma_eval.commands.exit_codes import DONE, UNHEALTHY
from gemma_eval.doctor.findings import Finding
from gemma_eval.doctor.prompts import PICTURE
from gemma_eval.settings import RunConfig


def _doctor_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--against", metavar="BACKEND|FILE", help="compare with another backend, or with what --write left; "
                        "default: the reference stored for this checkpoint, if there is one")  # fmt: skip
    parser.add_argument("--write", metavar="FILE", help="write the measurements as JSON")
    return parser


def _doctor(options: argparse.Namespace, config: RunConfig) -> int:

    from gemma_eval.doctor.findings import examine
    from gemma_eval.doctor.measure import measure, other_measurements

    measured = measure(config)
    if options.write:
        Path(options.write).write_text(json.dumps(measured, ensure_ascii=False) + "\n", encoding="utf-8")
    other = other_measurements(config, measured, options.against)
    findings = examine(measured, other)
    print_findings(measured, other, findings)
    return DONE if all(finding.healthy for finding in findings) else UNHEALTHY


def print_findings(measured: dict[str, Any], other: dict[str, Any] | None, findings: list[Finding], console: Console | None = None) -> None:
    console = console or Console(width=None if sys.stdout.isatty() else 140)
    for role, one in (("checked", measured), ("against", other)):
        console.print(f"{role}: {_described(one) if one else 'nothing: no reference is stored for this checkpoint; give --against'}")
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ["Check", "", "Found"]:
        table.add_column(name)
    for finding in findings:
        table.add_row(finding.name, "ok" if finding.healthy else "WRONG", escape(finding.detail), style="" if finding.healthy else "red")
    console.print(table)
    console.print(_verdict(findings), style="bold")


def _verdict(findings: list[Finding]) -> str:
    wrong = [finding for finding in findings if not finding.healthy]
    if not wrong:
        return "healthy"
    return "healthy for text, not for pictures" if all(finding.name.partition(":")[0] in PICTURE for finding in wrong) else "not healthy"


def _described(measured: dict[str, Any]) -> str:
    """Engine, versions and attention in one line."""
    model, packages = measured["model"], measured["packages"]
    attention = f"attention {model['attention']}, " if "attention" in model else ""
    versions = ", ".join(f"{name} {packages[name]}" for name in ("torch", "transformers") if name in packages)
    return f"{model['engine']} {model['engine_version']}, {model['dtype']} on {model['device']}, {attention}{versions}"
