"""The `gemma-eval` command: lists the subcommands, and hands the arguments to one of them.

Nothing heavy is imported before it is needed: `--help` and `tasks` load neither torch nor transformers.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

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
    stopping,
    tasks,
)
from gemma_eval.commands.command import Command, CommandParser, UsageError
from gemma_eval.commands.exit_codes import DONE, refuse
from gemma_eval.commands.hydra_settings import COMPLETION, sweeps, with_settings
from gemma_eval.errors import ConfigError, GemmaEvalError
from gemma_eval.runtime.processes import this

COMMANDS: tuple[Command, ...] = (run, plan, preview, doctor, report, export, dashboard, compare, gate, baseline, rescore, tasks, data)


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand. `argv`: the arguments without the program's name; the process's own by default. Returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    _set_up_logging()
    try:
        with stopping.stoppable():
            return _dispatch(arguments)
    except UsageError as error:
        refuse(error)
        return error.code
    except GemmaEvalError as error:
        return refuse(error)
    except KeyboardInterrupt as stop:
        return stopping.report(stop)
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _dispatch(arguments: list[str]) -> int:
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


def _set_up_logging() -> None:
    logging.basicConfig(format=f"{this().prefix}%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("gemma_eval").setLevel(logging.INFO if this().main else logging.WARNING)
    for name in ("bitsandbytes", "torchao", "torch.utils._pytree"):  # they warn of every layer, and of kernels for other devices
        logging.getLogger(name).setLevel(logging.ERROR)


if __name__ == "__main__":
    sys.exit(main())
