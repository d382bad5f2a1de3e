"""Key=value arguments become a RunConfig, once or in a sweep."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from gemma_eval.errors import ConfigError, GemmaEvalError

if TYPE_CHECKING:
    from gemma_eval.settings import RunConfig
from gemma_eval.commands.exit_codes import DONE, MISSING, REFUSED, _refuse

HYDRA_COMMANDS = ("run", "plan", "preview", "doctor")


# -- commands with settings -------------------------------------------------------------------------------------


def with_settings(arguments: list[str], command: Callable[[RunConfig], int]) -> int:
    """Compose settings with Hydra and run `command` on each combination (`-m` sweeps). The worst exit code counts."""
    import hydra

    from gemma_eval.config.compose import allow_engine_args, check_override_keys, register_schema, to_run_config
    from gemma_eval.runtime import paths
    from gemma_eval.task.registry import load_plugins, plugin_errors

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
