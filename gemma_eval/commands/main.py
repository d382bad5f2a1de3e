"""The `gemma-eval` command. Subcommands that take settings hand them to Hydra; the rest are plain arguments.

Nothing heavy is imported before it is needed: `--help` and `tasks` load neither torch nor transformers.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from functools import partial

from gemma_eval import __version__
from gemma_eval.commands import dashboard as dashboard_command
from gemma_eval.commands import export as export_command
from gemma_eval.commands import gate as gate_command
from gemma_eval.commands import report as report_command
from gemma_eval.commands.baseline import _baseline
from gemma_eval.commands.compare import COMPARISON_FORMS, _compare
from gemma_eval.commands.doctor import _doctor, _doctor_parser
from gemma_eval.commands.exit_codes import DONE, _refuse
from gemma_eval.commands.hydra_settings import with_settings
from gemma_eval.commands.plan import _plan
from gemma_eval.commands.preview import _preview, _preview_defaults
from gemma_eval.commands.rescore import _rescore
from gemma_eval.commands.run import _run, _run_help
from gemma_eval.commands.tasks import _tasks
from gemma_eval.errors import ConfigError, GemmaEvalError
from gemma_eval.runtime.processes import this


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    _logging()
    try:
        _check_launch(arguments)
        if arguments[:1] in (["-sc"], ["--shell-completion"]):  # completes the settings of every command
            return with_settings(arguments, lambda config: DONE)
        if arguments[:1] in (["run"], ["plan"]) and {"-h", "--help"} & set(arguments):
            return _run_help()
        if arguments[:1] == ["run"]:
            return with_settings(arguments[1:], _run)
        if arguments[:1] == ["plan"]:
            return with_settings(arguments[1:], _plan)
        if arguments[:1] == ["preview"] and arguments[1:] and not arguments[1].startswith("-"):
            return with_settings([f"suite={arguments[1]}", *_preview_defaults(arguments[2:])], _preview)
        if arguments[:1] == ["doctor"] and not {"-h", "--help"} & set(arguments):
            options, settings = _doctor_parser(argparse.ArgumentParser()).parse_known_args(arguments[1:])
            return with_settings(settings, partial(_doctor, options))
        if arguments[:1] == ["gate"]:
            return gate_command.main(arguments[1:], with_settings)
        parsed = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = parsed.command
        return command(parsed)
    except GemmaEvalError as error:
        return _refuse(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _check_launch(arguments: list[str]) -> None:
    if this().several and (arguments[:1] != ["run"] or {"-m", "--multirun"} & set(arguments)):
        raise ConfigError("only a single `gemma-eval run` can be launched in several processes; start anything else without a launcher")


def _logging() -> None:
    logging.basicConfig(format=f"{this().prefix}%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("gemma_eval").setLevel(logging.INFO if this().main else logging.WARNING)
    for name in ("bitsandbytes", "torchao", "torch.utils._pytree"):  # they warn of every layer, and of kernels for other devices
        logging.getLogger(name).setLevel(logging.ERROR)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gemma-eval",
        description="Evaluate Gemma 3 models on the benchmarks of their model card.",
        epilog="Settings are Hydra's: gemma-eval run model=270m weights=gguf_q4_k_m data=samples",
    )
    parser.add_argument("--version", action="version", version=f"gemma-eval {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    # run, plan, preview and doctor never reach argparse, but for their help lines and `--help`
    commands.add_parser(
        "run", help="score a model, or finish a run: gemma-eval run model=4b suite=card_pt [key=value ...]; --help lists the choices"
    )
    commands.add_parser(
        "plan", help="what such a run would cost, with and without shared prefixes; takes the settings of run, runs nothing"
    )
    preview = commands.add_parser(
        "preview", help="show a task's rendered prompts with their token ids: gemma-eval preview TASK [key=value ...]"
    )
    preview.add_argument("task", help="name of a task, as `gemma-eval tasks` lists them")
    preview.add_argument("settings", nargs="*", help="Hydra settings; default: model=270m weights=gguf_q4_k_m data=samples limit=2")
    _doctor_parser(
        commands.add_parser(
            "doctor", help="check tokenizer, BOS, log-probabilities and texts of a backend: gemma-eval doctor [key=value ...]"
        )
    )
    report = commands.add_parser(
        "report", help="rebuild the card from run directories: in the terminal, or as HTML, Markdown, LaTeX, CSV and figures"
    )
    report_command.add_arguments(report)
    report.set_defaults(command=report_command.main)
    export = commands.add_parser(
        "export", help="write runs for other tools: pandas, the Hub's model cards, lm-evaluation-harness, W&B, MLflow"
    )
    export_command.add_arguments(export)
    export.set_defaults(command=export_command.main)
    dashboard = commands.add_parser("dashboard", help="a local page over a folder of runs, with live progress and a playground (extra ui)")
    dashboard_command.add_arguments(dashboard)
    dashboard.set_defaults(command=dashboard_command.main)
    compare = commands.add_parser("compare", help="runs against a first one, item by item: paired differences, flips, tests, cost")
    compare.add_argument(
        "runs", nargs="+", metavar="RUN", help="run directory or baseline file; the first is what the others are compared with"
    )
    for form in COMPARISON_FORMS:
        compare.add_argument(f"--{form}", metavar="FILE", help=f"write {form} to FILE ('-': to the terminal) instead of tables")
    compare.set_defaults(command=_compare)
    commands.add_parser("gate", help="may this build ship? gemma-eval gate RUN --baseline B; exit code 0 pass, 1 fail, 2 inconclusive")
    baseline = commands.add_parser(
        "baseline", help="keep a run's scores and item results in one small file, without any text of a data set"
    )
    baseline.add_argument("run", metavar="RUN", help="run directory")
    baseline.add_argument(
        "--repeat", metavar="RUN", help="a second run of the same model: how far it differs is kept as the gate's noise floor"
    )
    baseline.add_argument("-o", "--output", metavar="FILE", required=True, help="file to write, such as baselines/4b-it.json.gz")
    baseline.set_defaults(command=_baseline)
    rescore = commands.add_parser("rescore", help="score finished runs again with today's metrics, without a model")
    rescore.add_argument("runs", nargs="+", metavar="RUN", help="run directory")
    rescore.set_defaults(command=_rescore)
    tasks = commands.add_parser("tasks", help="list tasks: card row, shots, data and whether it can be had")
    tasks.add_argument("--data-root", metavar="FOLDER", help="look in this folder of dataset repositories instead of the Hub's cache")
    tasks.add_argument("--plugin", action="append", default=[], metavar="FILE", help="add the tasks in this Python file")
    tasks.set_defaults(command=_tasks)
    return parser


if __name__ == "__main__":
    sys.exit(main())
