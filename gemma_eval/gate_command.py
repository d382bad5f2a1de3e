"""`gemma-eval gate`: judge a finished run against a baseline.

Exit codes are for CI: 0 pass, 1 fail, 2 inconclusive, 3 for runs that may not be compared (and for every other refusal).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gemma_eval.errors import ConfigError, GemmaEvalError

if TYPE_CHECKING:
    from gemma_eval.gate import Policy

REFUSED = 3
SUMMARY = "GITHUB_STEP_SUMMARY"  # the file that GitHub's runners show on the workflow's page

HELP = """\
exit code: 0 pass; 1 fail; 2 inconclusive; 3 the runs may not be compared, or another refusal

  gemma-eval gate results/candidate --baseline baselines/4b-it.json.gz
  gemma-eval gate results/candidate --baseline results/release gate=strict gate.margins.humaneval=0.05

Policies are in conf/gate/; gate=NAME or gate=FILE.yaml chooses one, gate.KEY=VALUE changes a value."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"gate: {message}; see gemma-eval gate --help")  # argparse's exit code would read as "inconclusive"


def main(arguments: list[str]) -> int:
    try:
        return _gate(_parser().parse_intermixed_args(arguments))
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
    parser.add_argument("run", metavar="RUN", help="run directory to judge")
    parser.add_argument("policy", nargs="*", metavar="gate.KEY=VALUE", help="policy and changes to it")
    parser.add_argument("--baseline", metavar="B", required=True, help="run directory, or a file that `gemma-eval baseline` wrote")
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML: one test case per benchmark")
    parser.add_argument("--markdown", metavar="FILE", help=f"write a summary (it is also appended to the file named by {SUMMARY})")
    parser.add_argument("--json", metavar="FILE", help="write all numbers")
    return parser


def _gate(arguments: argparse.Namespace) -> int:
    from gemma_eval.compare import compare
    from gemma_eval.gate import Decision, judge
    from gemma_eval.report.comparison import headline
    from gemma_eval.report.console import default_console, print_lines, print_table
    from gemma_eval.report.gate import STYLES, WORDS, needs, table, to_json, to_junit, to_markdown

    policy = _policy(arguments.policy)
    result = judge(compare(arguments.baseline, arguments.run), policy)
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


def _policy(settings: list[str]) -> Policy:
    from gemma_eval.gate import load_policy

    name, overrides = "default", []
    for setting in settings:
        key, equals, value = setting.partition("=")
        if key == "gate" and equals:
            name = value
        elif key.startswith("gate.") and equals:
            overrides.append(setting.removeprefix("gate."))
        else:
            raise ConfigError(f"{setting!r}: not a setting of the gate; give gate=NAME or gate.KEY=VALUE")
    return load_policy(name, overrides)
