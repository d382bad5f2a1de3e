"""The `gemma-eval` command. Subcommands that take settings hand them to Hydra; the rest are plain arguments.

Nothing heavy is imported before it is needed: `--help` and `tasks` load neither torch nor transformers.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gemma_eval import __version__, dashboard_command, export_command, gate_command, report_command
from gemma_eval.errors import ConfigError, GemmaEvalError
from gemma_eval.processes import this

if TYPE_CHECKING:
    from gemma_eval.settings import RunConfig

# Exit codes
DONE, REFUSED, MISSING, UNHEALTHY = 0, 1, 3, 4  # 2 is argparse's, for unknown arguments

COMPARISON_FORMS = ("markdown", "json", "html")

HYDRA_COMMANDS = ("run", "plan", "preview", "doctor")


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


def _refuse(error: GemmaEvalError) -> int:
    print(f"{this().prefix}error: {error}", file=sys.stderr)
    return REFUSED


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


def _doctor_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--against", metavar="BACKEND|FILE", help="compare with another backend, or with what --write left; "
                        "default: the reference stored for this checkpoint, if there is one")  # fmt: skip
    parser.add_argument("--write", metavar="FILE", help="write the measurements as JSON")
    return parser


RUN_HELP = """\
usage: gemma-eval run [group=option ...] [key=value ...]

Score a Gemma 3 model on the benchmarks of its card, or finish an earlier run of the same settings.
`gemma-eval plan` takes the same settings, says what the run would cost, and runs nothing.

  gemma-eval run model=4b variant=pt suite=card_pt
  gemma-eval run model=270m weights=gguf_q4_k_m data=samples     (no network, a minute)
  gemma-eval run -m model=1b,4b suite=hellaswag,piqa             (a sweep)

groups (choose with group=option):
{groups}

Any setting can be overridden: limit=200  tasks.piqa.num_fewshot=5  backend.dtype=float32  data.root=FOLDER
--cfg job prints the composed settings, -m sweeps, `gemma-eval -sc install=bash` prints the shell completion to eval.

exit code: 0 done; 1 refused; 3 done, but some tasks or samples could not be had"""


def _run_help() -> int:
    from gemma_eval import paths
    from gemma_eval.registry import registry

    groups = {
        folder.name: paths.options(folder.name) for folder in sorted(paths.CONF.iterdir()) if folder.is_dir() and folder.name != "gate"
    }
    groups["suite"] += sorted(registry())
    print(RUN_HELP.format(groups="\n".join(f"  {name}: {', '.join(options)}" for name, options in groups.items() if options)))
    return DONE


# -- commands with settings -------------------------------------------------------------------------------------


def with_settings(arguments: list[str], command: Callable[[RunConfig], int]) -> int:
    """Compose settings with Hydra and run `command` on each combination (`-m` sweeps). The worst exit code counts."""
    import hydra

    from gemma_eval import paths
    from gemma_eval.config import allow_engine_args, check_override_keys, register_schema, to_run_config
    from gemma_eval.registry import load_plugins, plugin_errors

    load_plugins(_plugin_files(arguments))
    for error in plugin_errors():
        print(f"plugin refused: {error}", file=sys.stderr)
    schema = register_schema()
    if "-sc" not in arguments and "--shell-completion" not in arguments:
        check_override_keys(arguments, schema)
    codes: list[int] = []

    def job(config: object) -> None:
        codes.append(command(to_run_config(config)))  # type: ignore[arg-type]

    _strip_command_from_completion()
    sys.argv = ["gemma-eval", *allow_engine_args(arguments)]
    os.environ.setdefault("HYDRA_FULL_ERROR", "0")
    hydra.main(version_base="1.3", config_path=str(paths.CONF), config_name="config")(_reporting(job, codes))()
    return max([*codes, MISSING if plugin_errors() else DONE])


def _reporting(job: Callable[[object], None], codes: list[int]) -> Callable[[object], None]:
    """Print our own errors as one line (Hydra would wrap them), and let a sweep go on to its next job."""

    def guarded(config: object) -> None:
        try:
            job(config)
        except GemmaEvalError as error:
            codes.append(_refuse(error))
        except Exception:  # a bug: show all of it, which Hydra would cut
            traceback.print_exc()
            codes.append(REFUSED)

    return guarded


def _plugin_files(arguments: list[str]) -> list[str]:
    """Files named by `plugins=[...]`: read before Hydra composes, since they add settings of their own."""
    import yaml

    for argument in arguments:
        if argument.startswith("plugins="):
            value = yaml.safe_load(argument.removeprefix("plugins="))
            if not isinstance(value, list):
                raise ConfigError(f"{argument}: must be a list, such as plugins=[my_task.py]")
            return [str(file) for file in value]
    return []


def _strip_command_from_completion() -> None:
    """Hydra completes settings; the shell's line also holds the command (`gemma-eval run mod<TAB>`)."""
    line = os.environ.get("COMP_LINE", "")
    match = re.match(rf"(\S+\s+)({'|'.join(HYDRA_COMMANDS)})\s+", line)
    if match:
        os.environ["COMP_LINE"] = match[1] + line[match.end() :]
        if point := os.environ.get("COMP_POINT"):
            os.environ["COMP_POINT"] = str(int(point) - (match.end() - match.end(1)))


def _run(config: RunConfig) -> int:
    from gemma_eval.report.card import card
    from gemma_eval.report.console import print_card
    from gemma_eval.report.markdown import to_markdown
    from gemma_eval.run import run

    outcome = run(config)
    if not this().main:
        return DONE  # the main process says what there is to say
    shown = card([outcome.run.scores()])
    outcome.run.write_text("report.md", to_markdown(shown))
    print_card(shown.touched())
    print(f"run directory: {outcome.run.path}")
    for reason in outcome.missing.values():
        print(f"missing: {reason}", file=sys.stderr)
    return MISSING if outcome.missing else DONE


def _plan(config: RunConfig) -> int:
    from gemma_eval.estimate import print_plan

    return MISSING if print_plan(config) else DONE


def _doctor(options: argparse.Namespace, config: RunConfig) -> int:
    import json
    from pathlib import Path

    from gemma_eval.doctor import examine, measure, other_measurements, print_findings

    measured = measure(config)
    if options.write:
        Path(options.write).write_text(json.dumps(measured, ensure_ascii=False) + "\n", encoding="utf-8")
    other = other_measurements(config, measured, options.against)
    findings = examine(measured, other)
    print_findings(measured, other, findings)
    return DONE if all(finding.healthy for finding in findings) else UNHEALTHY


def _preview_defaults(arguments: list[str]) -> list[str]:
    given = {argument.partition("=")[0] for argument in arguments}
    defaults = {"model": "270m", "weights": "gguf_q4_k_m", "data": "samples", "limit": "2"}
    if "data.root" in given:
        del defaults["data"]
    if {"model", "weights"} & given:
        defaults = {key: value for key, value in defaults.items() if key not in {"model", "weights"}}
    return [f"{key}={value}" for key, value in defaults.items() if key not in given] + arguments


def _preview(config: RunConfig) -> int:
    from gemma_eval.preview import preview

    preview(config)
    return DONE


# -- commands without settings ----------------------------------------------------------------------------------


def _compare(arguments: argparse.Namespace) -> int:
    import json

    from gemma_eval.compare import compare, load
    from gemma_eval.report.comparison import headline, tables, to_json, to_markdown
    from gemma_eval.report.console import default_console, print_lines, print_table
    from gemma_eval.report.html import comparison_html

    if len(arguments.runs) < 2:
        raise ConfigError("compare needs two runs or more: gemma-eval compare A B")
    first, *others = (load(run) for run in arguments.runs)
    found = [compare(first, other) for other in others]
    written = {
        "markdown": lambda: to_markdown(found),
        "json": lambda: json.dumps([to_json(one) for one in found], ensure_ascii=False, indent=1) + "\n",
        "html": lambda: comparison_html(found),
    }
    forms = {form: file for form in COMPARISON_FORMS if (file := getattr(arguments, form))}
    for form, file in forms.items():
        _write(file, written[form]())
    if not forms:
        console = default_console()
        for one in found:
            print_lines(headline(one), console)
            for table in tables(one):
                print_table(table, console)
    return DONE


def _write(file: str, text: str) -> None:
    from pathlib import Path

    if file == "-":
        print(text, end="")
    else:
        Path(file).write_text(text, encoding="utf-8")


def _baseline(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from gemma_eval.compare import compare, load, save_baseline
    from gemma_eval.gate import noise_floor

    results, file = load(arguments.run), Path(arguments.output)
    if arguments.repeat:
        results = replace(results, noise=noise_floor(compare(results, arguments.repeat)))
    save_baseline(results, file)
    print(f"{file}: {file.stat().st_size / 1e6:.2f} MB")
    return DONE


def _rescore(arguments: argparse.Namespace) -> int:
    from gemma_eval.scores import rescore
    from gemma_eval.store import RunDir

    for run in arguments.runs:
        print(f"{run}: {rescore(RunDir.open(run))} records changed")
    return DONE


def _tasks(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from gemma_eval.data import open_source
    from gemma_eval.registry import load_plugins, plugin_errors, registry

    load_plugins(arguments.plugin)
    source = open_source(root=arguments.data_root, samples=False)
    table = Table()
    for name in ["Task", "Card row", "Shots", "Kind", "Data", "Availability", "Samples"]:
        table.add_column(name, justify="right" if name == "Shots" else "left")
    for name, cls in sorted(registry().items()):
        task = cls()
        kind = "scoring" if any(base.__name__ == "MultipleChoice" for base in cls.__mro__) else "sampling"
        bundled = "bundled" if cls.samples_file().is_file() else "none"
        available = "generated" if task.dataset.generated else source.available(task.dataset, cls.samples_file())
        table.add_row(name, cls.card, str(task.num_fewshot), kind, f"{task.dataset.repo}:{task.dataset.split}", available, bundled)
    Console().print(table)
    for error in plugin_errors():
        print(f"plugin refused: {error}", file=sys.stderr)
    return MISSING if plugin_errors() else DONE


if __name__ == "__main__":
    sys.exit(main())
