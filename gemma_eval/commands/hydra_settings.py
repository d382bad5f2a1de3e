"""Commands that take settings: `key=value` arguments become a `RunConfig`, once or in a sweep."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import DONE, MISSING, REFUSED, refuse
from gemma_eval.errors import GemmaEvalError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from gemma_eval.settings import RunConfig

COMPLETION = {"-sc", "--shell-completion"}
SWEEP = {"-m", "--multirun", "hydra.mode=MULTIRUN"}

SETTINGS_HELP = """\
groups, chosen with group=option:
{groups}

Several suites or tasks make one run: suite=piqa,arc_easy.
Any other setting is overridden by its key: limit=200  tasks.piqa.num_fewshot=5  backend.dtype=float32  data.root=FOLDER
-m makes a run of each value: -m model=1b,4b suite=piqa,arc_easy makes four. --cfg job prints the settings and runs nothing.
gemma-eval -sc install=bash prints the shell completion to eval."""


def add_settings(parser: CommandParser, usage: str = "%(prog)s [key=value ...]") -> None:
    """The command takes settings, and Hydra's own flags among them: `arguments.settings`."""
    parser.takes_settings = True
    parser.allow_abbrev = False  # Hydra's flags are not ours abbreviated
    parser.usage = usage
    parser.more_help = settings_help


def settings_help() -> str:
    """What can be chosen and overridden."""
    from gemma_eval.config.overrides import GROUPS, choices

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

    from gemma_eval.config.compose import register_schema, to_run_config
    from gemma_eval.config.overrides import checked_overrides, plugin_files, refusal
    from gemma_eval.runtime import paths
    from gemma_eval.task.registry import load_plugins, plugin_errors

    load_plugins(plugin_files(arguments))
    for error in plugin_errors():
        print(f"plugin refused: {error}", file=sys.stderr)
    schema = register_schema()
    overrides = [argument for argument in arguments if argument.startswith("~") or ("=" in argument and not argument.startswith("-"))]
    flags = [argument for argument in arguments if argument not in overrides]
    if not COMPLETION & set(flags):
        overrides = checked_overrides(overrides, schema, sweep=sweeps(arguments))
    codes: list[int] = []

    def job(config: DictConfig) -> None:
        codes.append(_guarded(lambda: command(to_run_config(config, HydraConfig.get().runtime.choices))))

    _strip_command_from_completion()
    sys.argv = ["gemma-eval", *overrides, *flags]  # Hydra takes overrides in one piece only
    os.environ["HYDRA_FULL_ERROR"] = "1"  # it raises errors instead of printing them
    try:
        hydra.main(version_base="1.3", config_path=str(paths.CONF), config_name="config")(job)()
    except (HydraException, ValueError) as error:  # ValueError: flags that exclude each other
        raise refusal(error) from error
    return max([*codes, MISSING if plugin_errors() else DONE])


def _guarded(run: Callable[[], int]) -> int:
    """The exit code of one job. Its errors are printed here, so that a sweep goes on to its next job."""
    try:
        return run()
    except GemmaEvalError as error:
        return refuse(error)
    except Exception:  # a bug: show all of it, which Hydra would shorten
        traceback.print_exc()
        return REFUSED


def _strip_command_from_completion() -> None:
    """Hydra completes settings, but the shell's line also holds the command (`gemma-eval run mod<TAB>`)."""
    line = os.environ.get("COMP_LINE", "")
    if match := re.match(r"(\S+\s+)[a-z]+\s+", line):
        os.environ["COMP_LINE"] = match[1] + line[match.end() :]
        if point := os.environ.get("COMP_POINT"):
            os.environ["COMP_POINT"] = str(int(point) - (match.end() - match.end(1)))
