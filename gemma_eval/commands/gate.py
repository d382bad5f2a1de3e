"""`gemma-eval gate`: judge a finished run against a baseline, or drive a run until it can be judged.

Exit codes are for CI: 0 pass, 1 fail, 2 inconclusive, and 3 for all that is no verdict: runs that may not be compared, every other
refusal, and bugs. Ctrl-C and SIGTERM are 130 and 143, as everywhere.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_eval.commands import outputs
from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.ending import fail
from gemma_eval.commands.exit_codes import DONE
from gemma_eval.commands.hydra_settings import add_settings, with_settings
from gemma_eval.errors import ConfigError

if TYPE_CHECKING:
    from gemma_eval.compare import Results
    from gemma_eval.gate import GateResult, Policy
    from gemma_eval.settings import RunConfig

NAME = "gate"
HELP = "may this build ship? exit code 0 pass, 1 fail, 2 inconclusive"

PASSED, FAILED, INCONCLUSIVE, REFUSED = 0, 1, 2, 3
SUMMARY = "GITHUB_STEP_SUMMARY"  # the file that GitHub's runners show on the workflow's page

DESCRIPTION = """\
May this build ship? Non-inferiority of a run to a baseline, task by task.

  gemma-eval gate results/candidate --baseline baselines/4b-it.json.gz
  gemma-eval gate results/candidate --baseline results/release gate=strict gate.margins.humaneval=0.05
  gemma-eval gate model=4b weights=bnb_nf4 --baseline baselines/4b-it.json.gz    (runs until every task is decided)

Settings instead of RUN are those of `gemma-eval run`; the tasks are the baseline's.
Policies are in conf/gate/. gate=NAME or gate=FILE.yaml chooses one, and gate.KEY=VALUE changes a value.

exit code: 0 pass; 1 fail; 2 inconclusive; 3 no verdict: the runs may not be compared, or another refusal or error;
130 or 143 stopped by Ctrl-C or SIGTERM"""


def add_arguments(parser: CommandParser) -> None:
    """Take a run directory or the settings of a run, a policy, the baseline, and the forms to write."""
    parser.description = DESCRIPTION
    parser.add_argument("--baseline", metavar="B", required=True, help="run directory, or a file that `gemma-eval baseline` wrote")
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML with one test case for each benchmark")
    parser.add_argument("--markdown", metavar="FILE", help=f"write a summary, which is also appended to the file named by {SUMMARY}")
    parser.add_argument("--json", metavar="FILE", help="write all numbers")
    add_settings(parser, usage="%(prog)s (RUN | key=value ...) --baseline B [gate=POLICY] [gate.KEY=VALUE ...] [--junit FILE] ...")
    parser.more_help = None  # the settings that a driven run takes are those of `gemma-eval run --help`
    parser.usage_code = REFUSED  # argparse's own would read as inconclusive


def main(arguments: argparse.Namespace) -> int:
    """Judge, and return the verdict's exit code."""
    try:
        return _gate(arguments)
    except Exception as error:  # nothing but a verdict may have the code of one
        fail(error)
        return REFUSED


def _gate(arguments: argparse.Namespace) -> int:
    for option, file in _outputs(arguments):
        outputs.check(file, option)
    from gemma_eval.compare import compare, load
    from gemma_eval.gate import judge, load_policy

    name, changes, candidate = sorted_out(arguments.settings)
    baseline = load(arguments.baseline)  # with its plugins, which a policy may name
    policy = load_policy(name, changes)
    if len(candidate) == 1 and ("=" not in candidate[0] or Path(candidate[0]).is_dir()):
        return _tell(judge(compare(baseline, candidate[0]), policy), arguments)
    return _drive(candidate, baseline, policy, arguments)


def _outputs(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """The files to write: what asks for each, and its name."""
    asked = {"--junit": arguments.junit, "--markdown": arguments.markdown, "--json": arguments.json, SUMMARY: os.environ.get(SUMMARY)}
    return [(option, file) for option, file in asked.items() if file]


def sorted_out(given: list[str]) -> tuple[str, list[str], list[str]]:
    """The policy's name, changes to it, and the candidate: one run directory, or settings. Raises `ConfigError` for anything else."""
    name, changes, candidate = "default", [], []
    for one in given:
        key, equals, value = one.partition("=")
        if key == "gate" and equals:
            name = value
        elif key.startswith("gate.") and equals:
            changes.append(one.removeprefix("gate."))
        elif one.startswith("-"):
            raise ConfigError(f"gate: no argument {one}; see gemma-eval gate --help")
        else:
            candidate.append(one)
    settings = [one for one in candidate if "=" in one]
    if not candidate or (settings != candidate and len(candidate) > 1):
        given_text = " ".join(candidate) or "nothing"
        raise ConfigError(f"gate: {given_text} to judge; name one run directory, or settings of a run such as model=4b")
    return name, changes, candidate


def _drive(settings: list[str], baseline: Results, policy: Policy, arguments: argparse.Namespace) -> int:
    """Run the baseline's tasks with these settings until they can be judged."""
    from gemma_eval.commands.sequential_gate import counted_tasks, gate_while_running

    codes: list[int] = []

    def command(config: RunConfig) -> int:
        codes.append(_tell(gate_while_running(config, baseline, policy), arguments))
        return DONE

    tasks = ",".join(counted_tasks(baseline, policy))
    refused = with_settings([*settings, f"suite.tasks=[{tasks}]"], command) != DONE
    return REFUSED if refused or not codes else codes[0]


def _tell(result: GateResult, arguments: argparse.Namespace) -> int:
    """Print and write the verdict; returns its exit code."""
    from gemma_eval.gate import Decision
    from gemma_eval.report.comparison import headline
    from gemma_eval.report.console import default_console, print_lines, print_table
    from gemma_eval.report.gate import STYLES, WORDS, needs, table, to_json, to_junit, to_markdown
    from gemma_eval.store.documents import to_text

    with suppress(BrokenPipeError):  # the exit code is the verdict, whether or not anyone reads the table
        console = default_console()
        print_lines(headline(result.comparison), console)
        print_table(table(result), console, [STYLES[verdict.decision] for verdict in result.all_verdicts])
        console.print(WORDS[result.decision], style=STYLES[result.decision])
        undecided = [verdict for verdict in result.all_verdicts if verdict.decision is Decision.inconclusive]
        print_lines([f"{one.name}: {one.difference.n} items; to decide it needs {needs(one)}" for one in undecided], console)
        sys.stdout.flush()
    markdown = to_markdown(result)
    written = {"--junit": to_junit(result), "--markdown": markdown, "--json": to_text(to_json(result), indent=1) + "\n"}
    for option, file in _outputs(arguments):
        if option == SUMMARY:
            outputs.append(file, markdown, option)
        else:
            outputs.write(file, written[option], option)
    return {Decision.passed: PASSED, Decision.failed: FAILED, Decision.inconclusive: INCONCLUSIVE}[result.decision]
