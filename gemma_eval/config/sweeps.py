"""The jobs of a sweep (`-m`): each has a run directory of its own, whose name carries the swept values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from gemma_eval.config.selection import NAMED, run_name
from gemma_eval.errors import ConfigError
from gemma_eval.settings import RunConfig

LONGEST_VALUE = 48  # characters of a swept value in a run's name


class SweepNames:
    """Names the runs of a sweep, so that no two of them share a directory. `keys`: those with several values."""

    def __init__(self, keys: Sequence[str], arguments: Iterable[str]) -> None:
        """`arguments`: the settings of the whole sweep as Hydra gets them."""
        self._keys = sorted(keys)
        self._fixed = "run" not in keys and any(argument.startswith("run=") for argument in arguments)
        self._named: dict[str, RunConfig] = {}

    def named(self, config: RunConfig, job: Iterable[str]) -> RunConfig:
        """The settings with the job's name. `job`: its own arguments. Raises `ConfigError` if another job took the name."""
        parsed = (OverridesParser.create().parse_override(argument) for argument in job)
        values = {override.key_or_group: override.value() for override in parsed}
        keys = [key for key in self._keys if key in values and not self._in_name(key, config)]
        labels = [f"{key.rpartition('.')[2]}_{_label(values[key])}" for key in keys]
        config = replace(config, run="-".join([run_name(config), *labels]))
        name = run_name(config)
        if self._named.setdefault(name, config) != config:
            raise ConfigError(f"run={name}: another run of this sweep has this name; sweep run=A,B too, or start one after the other")
        return config

    def _in_name(self, key: str, config: RunConfig) -> bool:
        """Whether the run's name differs with this key already."""
        if config.run is None:
            return key in NAMED
        return key == "run" or (key == "experiment" and not self._fixed)


def _label(value: Any) -> str:
    """A swept value as part of a folder's name."""
    whole = "+".join(_texts(value))
    plain = re.sub(r"[^\w.+-]+", "_", whole).strip("_") or "empty"
    return plain if len(plain) <= LONGEST_VALUE else f"{plain[: LONGEST_VALUE - 9]}-{sha256(whole.encode()).hexdigest()[:8]}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    else:
        yield "null" if value is None else str(value)
