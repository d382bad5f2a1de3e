"""What `key=value` arguments may say. Hydra would ignore some mistakes and explain others at length; here each is refused in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf

from gemma_eval.errors import ConfigError
from gemma_eval.runtime import paths
from gemma_eval.settings import BACKENDS
from gemma_eval.task.registry import registry

GROUPS = ("model", "variant", "weights", "backend", "suite", "data", "experiment")
LISTED = 20  # choices that an error lists; of more it names the near ones alone


def choices(group: str) -> list[str]:
    """What may be chosen in one of `GROUPS`. A suite may also be a task."""
    return sorted({*paths.options(group), *(registry() if group == "suite" else ())})


def plugin_files(arguments: list[str]) -> list[str]:
    """The files named by `plugins=[...]`. They are read before Hydra composes, for their tasks add settings and suites."""
    files: list[str] = []
    for override in (_parsed(argument) for argument in arguments if argument.startswith("plugins=")):
        value = override.value()
        if not isinstance(value, list):
            raise ConfigError(f"{override.input_line}: must be a list, such as plugins=[my_task.py]")
        files += map(str, value)
    return files


def checked_overrides(arguments: list[str], schema: DictConfig, *, sweep: bool = False) -> list[str]:
    """`key=value` arguments as Hydra is to get them. Raises `ConfigError` for one that names an unknown key or cannot be meant.

    `suite=a,b` becomes the list `suite=[a,b]`. In a `sweep`, values with commas stay: each makes a run.
    """
    parsed = [_parsed(argument) for argument in arguments]
    _check_keys(parsed, schema)
    return [_checked(override, sweep) for override in parsed]


def refusal(error: Exception) -> ConfigError:
    """Hydra's error in one line of ours."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return _no_such_choice(group, name, error.options or ())
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override)
    reasons = [str(cause).strip() for cause in (error, error.__cause__) if cause is not None]
    return ConfigError(": ".join(reason.splitlines()[0].rstrip(".") for reason in reasons if reason))


def check_chosen(chosen: Iterable[str]) -> None:
    """Refuse a composition in which a group has several choices or none. `chosen`: the groups for which Hydra reports one choice.

    Hydra would let the last of several choices win. Suites are joined instead.
    """
    for group in GROUPS:
        if group not in {"suite", *chosen}:
            raise ConfigError(f"{group}: choose one, not a list and not none. Choices: {', '.join(choices(group))}")


def _parsed(argument: str) -> Override:
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException as error:
        raise _unreadable(argument) from error


def _unreadable(argument: str) -> ConfigError:
    if argument in choices("suite"):
        return ConfigError(f"{argument}: write suite={argument}")
    return ConfigError(f"{argument}: cannot be read as key=value; quote special characters: 'run=\"a, b\"'")


def _checked(override: Override, sweep: bool) -> str:
    """The override as Hydra is to get it."""
    key, text, value = override.key_or_group, str(override.input_line), override.value()
    if key in GROUPS and not override.is_delete():
        options = value.list if isinstance(value, ChoiceSweep) else [value]
        return _checked_choice(key, text, options, sweep=override.is_sweep_override(), allowed=sweep)
    if override.is_sweep_override() and not sweep:
        raise ConfigError(f"{text}: several values need -m, which makes a run of each; a list is written {key}=[...]")
    return f"++{text}" if key.startswith("backend.engine_args.") else text  # Hydra's sign for a key that no schema lists


def _checked_choice(group: str, text: str, options: list[Any], *, sweep: bool, allowed: bool) -> str:
    """`options`: what the override offers, more than one in a `sweep`, which may be `allowed`."""
    if None in options:
        raise ConfigError(f"{text}: name a choice")
    lists = any(isinstance(option, list) for option in options)
    if group == "suite":
        return f"suite=[{','.join(_names(options))}]" if not allowed and (sweep or lists) else text
    if lists or (sweep and not allowed):
        raise ConfigError(f"{text}: choose one {group}. A sweep makes a run of each: -m {group}={','.join(_names(options))}")
    return text


def _names(values: Iterable[Any]) -> Iterator[str]:
    """The names in a list, which may hold further lists."""
    for value in values:
        if isinstance(value, list):
            yield from _names(value)
        else:
            yield str(value)


def _check_keys(overrides: list[Override], schema: DictConfig) -> None:
    """Refuse an unknown key with the choices. Hydra would suggest `+key=`, which cannot work."""
    given = {override.key_or_group: override.value() for override in overrides if not override.is_hydra_override()}
    backend = given.get("backend", "transformers")
    for key in given.keys() - {"experiment"}:
        group, _, rest = key.partition(".")
        if group != "backend" or not rest:
            _check_key(key, schema, "")
        elif isinstance(backend, str) and backend in BACKENDS and "experiment" not in given:
            _check_key(rest, OmegaConf.structured(BACKENDS[backend]), "backend")
        # which fields another `backend` has, only Hydra can tell


def _check_key(key: str, node: Any, place: str) -> None:
    """Refuse `key` if it is no field of `node`, which stands at `place`."""
    whole = f"{place}.{key}" if place else key
    for part in key.split("."):
        if not isinstance(node, DictConfig) or OmegaConf.get_type(node) is dict or node._is_missing():
            return
        names = [str(name) for name in node]
        if part not in names:
            where = place or "the configuration"
            raise ConfigError(f"unknown key {whole!r}: {where} has no field {part!r}.{near(part, names)} Choices: {', '.join(names)}")
        place = f"{place}.{part}" if place else part
        node = node._get_node(part)


def _no_such_choice(group: str, name: str, found: Iterable[str]) -> ConfigError:
    """`found`: what Hydra has to offer; it knows of further folders of settings."""
    options = choices(group) if group in GROUPS else list(found)
    listed = f"Choices: {', '.join(options)}" if len(options) <= LISTED else "gemma-eval run --help lists the choices"
    return ConfigError(f"{group}={name}: no such choice.{near(name, options)} {listed}")


def near(name: str, options: Iterable[str]) -> str:
    """` Did you mean 'x' or 'y'?`, or nothing if no option is like `name`."""
    found = difflib.get_close_matches(name, list(options), n=3)
    return f" Did you mean {' or '.join(map(repr, found))}?" if found else ""
