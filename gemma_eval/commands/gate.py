"""`gemma-eval gate`: judge a finished run against a baseline, or drive a run until it can be judged.

Exit codes are for CI: 0 pass, 1 fail, 2 inconclusive, 3 for runs that may not be compared (and for every other refusal).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gemma_eval.errors import ConfigError, GemmaEvalError

if TYPE_CHECKING:
    from gemma_eval.gate import GateResult
    from gemma_eval.settings import RunConfig


REFUSED = 3
SUMMARY = "GITHUB_STEP_SUMMARY"  # the file that GitHub's runners show on the workflow's page

HELP = """\
exit code: 0 pass; 1 fail; 2 inconclusive; 3 the runs may not be compared, or another refusal

  gemma-eval gate results/candidate --baseline baselines/4b-it.json.gz
  gemma-eval gate results/candidate --baseline results/release gate=strict gate.margins.humaneval=0.05
  gemma-eval gate model=4b weights=bnb_nf4 --baseline baselines/4b-it.json.gz    (runs until every task is decided)

Policies are in conf/gate/; gate=NAME or gate=FILE.yaml chooses one, gate.KEY=VALUE changes a value."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"gate: {message}; see gemma-eval gate --help")  # argparse's exit code would read as "inconclusive"


WithSettings = Callable[[list[str], "Callable[[RunConfig], int]"], int]  # composes settings and hands them to a command


def main(arguments: list[str], with_settings: WithSettings) -> int:
    try:
        return _gate(_parser().parse_intermixed_args(arguments), with_settings)
    except GemmaEvalError as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="gemma-eval gate",
        description="May this build ship? Non-inferiority of a run to a baseline, task by task.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("given", nargs="+", metavar="RUN | key=value", help="run directory to judge, or settings of a run to drive")
    parser.add_argument("--baseline", metavar="B", required=True, help="run directory, or a file that `gemma-eval baseline` wrote")
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML: one test case per benchmark")
    parser.add_argument("--markdown", metavar="FILE", help=f"write a summary (it is also appended to the file named by {SUMMARY})")
    parser.add_argument("--json", metavar="FILE", help="write all numbers")
    return parser


def _gate(arguments: argparse.Namespace, with_settings: WithSettings) -> int:
    from gemma_eval.compare import compare, load
    from gemma_eval.gate import judge, load_policy

    name, changes, rest = _sorted_out(arguments.given)
    policy, baseline = load_policy(name, changes), load(arguments.baseline)
    if len(rest) == 1 and "=" not in rest[0]:
        return _tell(judge(compare(baseline, rest[0]), policy), arguments)
    if not rest or any("=" not in one for one in rest):
        raise ConfigError(f"gate: {' '.join(rest) or 'nothing'} to judge; name one run directory, or settings of a run such as model=4b")
    codes: list[int] = []

    def command(config: RunConfig) -> int:
        from gemma_eval.commands.sequential_gate import gate_while_running

        codes.append(_tell(gate_while_running(config, baseline, policy), arguments))
        return 0

    refused = with_settings(rest, command) > 0
    return REFUSED if refused or not codes else 1 if 1 in codes else max(codes)


def _tell(result: GateResult, arguments: argparse.Namespace) -> int:
    """Print and write the verdict; returns its exit code."""
    from gemma_eval.gate import Decision
    from gemma_eval.report.comparison import headline
    from gemma_eval.report.console import default_console, print_lines, print_table
    from gemma_eval.report.gate import STYLES, WORDS, needs, table, to_json, to_junit, to_markdown

    console = default_console()
    print_lines(headline(result.comparison), console)
    print_table(table(result), console, [STYLES[verdict.decision] for verdict in result.all_verdicts])
    console.print(WORDS[result.decision], style=STYLES[result.decision])
    for verdict in result.all_verdicts:
        if verdict.decision is Decision.inconclusive:
            console.print(f"{verdict.name}: {verdict.difference.n} items; to decide it needs {needs(verdict)}", highlight=False)
    written = {"junit": to_junit(result), "markdown": to_markdown(result), "json": json.dumps(to_json(result), indent=1) + "\n"}
    for form, text in written.items():
        if file := getattr(arguments, form):
            Path(file).write_text(text, encoding="utf-8")
    if summary := os.environ.get(SUMMARY):
        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(written["markdown"])
    return {Decision.passed: 0, Decision.failed: 1, Decision.inconclusive: 2}[result.decision]


def _sorted_out(given: list[str]) -> tuple[str, list[str], list[str]]:
    """The policy's name, changes to it, and everything else."""
    name, changes, rest = "default", [], []
    for one in given:
        key, equals, value = one.partition("=")
        if key == "gate" and equals:
            name = value
        elif key.startswith("gate.") and equals:
            changes.append(one.removeprefix("gate."))
        else:
            rest.append(one)
    return name, changes, rest
