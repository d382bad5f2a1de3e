"""Commands that take settings: `key=value` arguments become a `RunConfig`, once or in a sweep."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

from gemma_eval.commands.command import CommandParser, UsageError
from gemma_eval.commands.ending import fail
from gemma_eval.commands.exit_codes import DONE, MISSING, USAGE
from gemma_eval.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from gemma_eval.settings import RunConfig

COMPLETION = {"-sc", "--shell-completion"}
FLAGS = {"-m", "--multirun", "-c", "--cfg", "--resolve", "-p", "--package", "-i", "--info", "-r", "--run", "--hydra-help", *COMPLETION}
SWEEP = {"-m", "--multirun", "hydra.mode=MULTIRUN"}

SETTINGS_HELP = """\
groups, chosen with group=option:
{groups}

Several suites or tasks make one run: suite=piqa,arc_easy.
Any other setting is overridden by its key: limit=200  tasks.piqa.num_fewshot=5  backend.dtype=float32  data.root=FOLDER
-m makes a run of each value: -m model=1b,4b suite=piqa,arc_easy makes four, each in a directory of its own.
--cfg job prints the settings and runs nothing.
gemma-eval -sc install=bash prints the shell completion to eval."""


def add_settings(parser: CommandParser, usage: str = "%(prog)s [key=value ...]") -> None:
    """The command takes settings, and Hydra's own flags among them: `arguments.settings`."""
    parser.takes_settings = True
    parser.allow_abbrev = False  # Hydra's flags are not ours abbreviated
    parser.usage = usage
    parser.more_help = settings_help


def settings_help() -> str:
    """What can be chosen and overridden."""
    from gemma_eval.config.keys import GROUPS, choices

    width = shutil.get_terminal_size().columns
    groups = [textwrap.fill(f"  {group}: {', '.join(choices(group))}", width, subsequent_indent="    ") for group in GROUPS]
    return SETTINGS_HELP.format(groups="\n".join(groups))


def sweeps(arguments: list[str]) -> bool:
    """Whether values with commas make a run each."""
    return bool(SWEEP & set(arguments))


def with_settings(arguments: list[str], command: Callable[[RunConfig], int]) -> int:
    """Compose settings and hand them to `command`: once, or in a sweep (`-m`) each combination. The worst exit code counts.

    Raises `ConfigError` for settings that do not exist or cannot be composed.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from gemma_eval.config.compose import register_schema, to_run_config
    from gemma_eval.config.overrides import checked_overrides, last_of_each, plugin_files, refusal, swept
    from gemma_eval.config.sweeps import SweepNames
    from gemma_eval.runtime import paths
    from gemma_eval.task.registry import load_plugins, plugin_errors

    overrides, flags = _overrides_and_flags(arguments)
    overrides, sweep, names = last_of_each(overrides), sweeps(arguments), None
    load_plugins(plugin_files(overrides))
    for error in plugin_errors():
        print(f"plugin refused: {error}", file=sys.stderr)
    schema = register_schema()
    if not COMPLETION & set(flags):
        overrides = checked_overrides(overrides, schema, sweep=sweep)
        names = SweepNames(swept(overrides), overrides) if sweep else None
    codes: list[int] = []

    def composed(config: DictConfig) -> RunConfig:
        hydra_config = HydraConfig.get()
        settings = to_run_config(config, hydra_config.runtime.choices)
        return names.named(settings, hydra_config.overrides.task) if names else settings

    def job(config: DictConfig) -> None:
        codes.append(_guarded(lambda: command(composed(config))))

    _strip_command_from_completion()
    sys.argv = ["gemma-eval", *overrides, *flags]  # Hydra takes overrides in one piece only
    os.environ["HYDRA_FULL_ERROR"] = "1"  # it raises errors instead of printing them
    try:
        hydra.main(version_base="1.3", config_path=str(paths.CONF), config_name="config")(job)()
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # ValueError: flags that exclude each other
        raise refusal(error) from error
    except OSError as error:  # Hydra keeps a sweep's settings in the results folder
        raise ConfigError(
            f"results: {error.strerror}: {error.filename}; choose a folder that can be written with results=FOLDER"
        ) from error
    return max([*codes, MISSING if plugin_errors() else DONE])


def _overrides_and_flags(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Settings, and Hydra's own flags. Raises `UsageError` for any other flag: some of Hydra's would read settings from elsewhere."""
    overrides = [argument for argument in arguments if argument.startswith("~") or ("=" in argument and not argument.startswith("-"))]
    flags = [argument for argument in arguments if argument not in overrides]
    for flag in flags:
        if flag.startswith("-") and flag.partition("=")[0] not in FLAGS:
            raise UsageError(f"{flag}: no such flag; settings are written key=value, and gemma-eval run --help lists the rest", USAGE)
    return overrides, flags


def _guarded(run: Callable[[], int]) -> int:
    """The exit code of one job. Its errors are printed here, so that a sweep goes on to its next job."""
    try:
        return run()
    except Exception as error:  # of a bug, Hydra would shorten the traceback
        return fail(error)


def _strip_command_from_completion() -> None:
    """Hydra completes settings, but the shell's line also holds the command (`gemma-eval run mod<TAB>`)."""
    line = os.environ.get("COMP_LINE", "")
    if match := re.match(r"(\S+\s+)[a-z]+\s+", line):
        os.environ["COMP_LINE"] = match[1] + line[match.end() :]
        if point := os.environ.get("COMP_POINT"):
            os.environ["COMP_POINT"] = str(int(point) - (match.end() - match.end(1)))
