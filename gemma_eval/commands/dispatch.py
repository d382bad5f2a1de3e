"""The subcommands of `gemma-eval`, and what hands the arguments to one of them.

Nothing heavy is imported before it is needed: `--help` and `tasks` load neither torch nor transformers.
"""

from __future__ import annotations

import argparse

from gemma_eval import __version__
from gemma_eval.commands import (
    baseline,
    compare,
    dashboard,
    data,
    doctor,
    export,
    gate,
    plan,
    preview,
    report,
    rescore,
    run,
    tasks,
)
from gemma_eval.commands.command import Command, CommandParser
from gemma_eval.commands.exit_codes import DONE
from gemma_eval.commands.hydra_settings import COMPLETION, sweeps, with_settings
from gemma_eval.errors import ConfigError
from gemma_eval.runtime.processes import this
from gemma_eval.runtime.urls import check_arguments

COMMANDS: tuple[Command, ...] = (run, plan, preview, doctor, report, export, dashboard, compare, gate, baseline, rescore, tasks, data)


def dispatch(arguments: list[str]) -> int:
    """Run the subcommand that the arguments name. Returns its exit code. Raises `UsageError` for arguments that it does not know."""
    check_arguments(arguments)
    if this().several and (arguments[:1] != [run.NAME] or sweeps(arguments)):
        raise ConfigError("only a single `gemma-eval run` can be launched in several processes; start anything else without a launcher")
    if COMPLETION & set(arguments[:1]):  # completes the settings of every command
        return with_settings(arguments, lambda config: DONE)
    parsed, unknown = _parser().parse_known_args(arguments)
    command: Command = parsed.command
    parser: CommandParser = parsed.parser
    if parser.takes_settings:
        parsed.settings = unknown
    elif unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return command.main(parsed)


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="gemma-eval",
        description="Evaluate Gemma 3 models on the benchmarks of their model card.",
        epilog="Settings are Hydra's: gemma-eval run model=270m weights=gguf_q4_k_m data=samples",
    )
    parser.add_argument("--version", action="version", version=f"gemma-eval {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        described: CommandParser = commands.add_parser(
            command.NAME, help=command.HELP, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.add_arguments(described)
        described.set_defaults(command=command, parser=described)
    return parser
