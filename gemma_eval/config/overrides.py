"""What `key=value` arguments may say. Hydra would ignore some mistakes and explain others at length; here each is refused in one line."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import BooleanNode, DictConfig, ListConfig, OmegaConf, StringNode
from omegaconf.errors import GrammarParseError, InterpolationResolutionError

from gemma_eval.config.keys import GROUPS, backends_of, choices, no_such_choice, nodes
from gemma_eval.config.quoting import SWEEP_FUNCTION, as_any, as_text, as_texts, split
from gemma_eval.errors import ConfigError
from gemma_eval.ranges import CONTROL
from gemma_eval.settings import BackendConfig

BOOLEANS = {"true", "false", "yes", "no", "on", "off", "1", "0"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Argument:
    """`key=value` as it was typed. `sign`: Hydra's `+`, `++` or `~` before it. `value`: None without `=`."""

    whole: str
    sign: str
    key: str
    value: str | None

    @classmethod
    def of(cls, argument: str) -> Argument:
        """The argument, taken apart."""
        key, equals, value = argument.partition("=")
        sign = "" if (found := re.match(r"\+{1,2}|~", key)) is None else found[0]
        return cls(argument, sign, key.removeprefix(sign), value if equals else None)


def plugin_files(arguments: list[str]) -> list[str]:
    """The files named by `plugins=[...]`. They are read before Hydra composes, for their tasks add settings and suites."""
    files: list[str] = []
    for argument in map(Argument.of, arguments):
        if argument.key == "plugins" and argument.value is not None:
            with in_one_line():
                found = _parsed(f"plugins={as_texts('plugins', argument.value)}").value()
            files += [os.path.expanduser(str(file)) for file in (found if isinstance(found, list) else [])]  # noqa: PTH111
    return files


@contextmanager
def in_one_line() -> Iterator[None]:
    """Refusals as one line, whatever the user typed."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(_one_line(str(error))) from error


def last_of_each(arguments: list[str]) -> list[str]:
    """The arguments without those whose key is given again further on. Each that is left out is named in a warning."""
    last = {Argument.of(argument).key: argument for argument in arguments}
    for argument in arguments:
        if (kept := last[Argument.of(argument).key]) is not argument and kept != argument:
            log.warning("%r: left out, because %r follows", argument, kept)
    return list(last.values())


def checked_overrides(arguments: list[str], schema: DictConfig, *, sweep: bool = False) -> list[str]:
    """`key=value` arguments as Hydra is to get them. Raises `ConfigError` for one that names an unknown key or cannot be meant.

    `suite=a,b` becomes the list `suite=[a,b]`. Paths and names are taken as they are. In a `sweep`, values with commas stay: each makes
    a run.
    """
    given = [Argument.of(argument) for argument in arguments]
    backends = backends_of({argument.key: argument.value for argument in given})
    with in_one_line():
        return [_checked(argument, schema, backends, sweep) for argument in given]


def swept(arguments: list[str]) -> list[str]:
    """The keys with several values in the `checked_overrides` of a sweep."""
    parsed = [_parsed(argument) for argument in arguments]
    return [override.key_or_group for override in parsed if override.is_sweep_override() and not override.is_hydra_override()]


def refusal(error: Exception) -> ConfigError:
    """An error of Hydra or OmegaConf in one line of ours."""
    return ConfigError(_one_line(_reason(error)))


def _reason(error: Exception) -> str:
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return str(no_such_choice(group, name, error.options or ()))
    if isinstance(error, OverrideParseException):
        return str(_unreadable(error.override))
    reasons = [_first_line(cause) for cause in (error, error.__cause__) if cause is not None]
    message = ": ".join(reason for reason in reasons if reason)
    key = getattr(error, "full_key", None)
    if isinstance(error, InterpolationResolutionError | GrammarParseError) or isinstance(error.__cause__, GrammarParseError):
        message += r". A text that holds these characters is written with \${"
    return f"{key}: {message}" if key and str(key) not in message else message


def _one_line(text: str) -> str:
    """A text in which line breaks and other control characters that the user typed are written out."""
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "").rstrip(".")


def _parsed(argument: str) -> Override:
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException as error:
        raise _unreadable(argument) from error


def _unreadable(argument: str) -> ConfigError:
    if argument in choices("suite"):
        return ConfigError(f"{argument}: write suite={argument}")
    key, equals, value = argument.partition("=")
    if not equals:
        return ConfigError(f"{argument}: cannot be read as key=value")
    return ConfigError(f"{argument}: cannot be read as key=value; close brackets and quotes, or quote a text: '{key}=\"{value}\"'")


def _checked(argument: Argument, schema: DictConfig, backends: list[type[BackendConfig]], sweep: bool) -> str:
    """The argument as Hydra is to get it."""
    if argument.key == "hydra" or argument.key.startswith(("hydra.", "hydra/")):
        return _parsed(argument.whole).input_line or argument.whole
    if argument.value is None and argument.sign != "~":
        raise _unreadable(argument.whole)
    if argument.key in GROUPS:
        return _checked_group(argument, sweep)
    found = nodes(argument.key, schema, backends)
    if argument.sign == "~":
        raise ConfigError(f"{argument.whole}: a setting cannot be removed; leave it out, or write {argument.key}=null")
    readable = f"{argument.key}={_readable(argument, found, sweep)}"
    if _parsed(readable).is_sweep_override() and not sweep:
        raise ConfigError(f"{argument.whole}: several values need -m, which makes a run of each; a list is written {argument.key}=[...]")
    return readable if found else f"++{readable}"  # Hydra's sign for a key that no schema lists


def _readable(argument: Argument, found: list[Any], sweep: bool) -> str:
    """The value in Hydra's grammar, by the type of the setting. `found`: its nodes in the schema."""
    key, value = argument.key, str(argument.value)
    if sweep and SWEEP_FUNCTION.fullmatch(value):
        return value
    if any(isinstance(node, StringNode) for node in found):
        return ",".join(map(as_text, split(value))) if sweep and value.strip() else as_text(value)
    if any(isinstance(node, ListConfig) and OmegaConf.get_type(node) is list and node._metadata.element_type is str for node in found):
        several = split(value) if sweep or value.startswith("[") else [value]
        return ",".join(as_texts(key, one) for one in several)
    if any(isinstance(node, BooleanNode) for node in found):
        for one in split(value) or [value]:
            if one.casefold() not in BOOLEANS:
                raise ConfigError(f"{key}={one}: must be true or false")
    return as_any(value)


def _checked_group(argument: Argument, sweep: bool) -> str:
    group, text = argument.key, argument.whole.lstrip("+")
    if argument.sign == "~":
        return argument.whole
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise (_unreadable(text) if "[" in text else no_such_choice(group, str(argument.value), ())) from error
    value = override.value()
    if sweep and override.is_sweep_override() and not isinstance(value, ChoiceSweep):
        return text  # Hydra's glob(*)
    options = value.list if isinstance(value, ChoiceSweep) else [value]
    checked = _checked_choice(group, text, options, sweep=override.is_sweep_override(), allowed=sweep)
    for name in _names(options):
        if name not in choices(group):
            raise no_such_choice(group, name, ())
    return checked


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
