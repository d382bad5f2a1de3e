"""Which settings and choices there are. One that does not exist is refused with those that are like it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gemma_eval.errors import ConfigError, near
from gemma_eval.runtime import paths
from gemma_eval.settings import BACKENDS, BackendConfig
from gemma_eval.task.registry import registry

GROUPS = ("model", "variant", "weights", "backend", "suite", "data", "experiment")
LISTED = 20  # choices that an error lists; of more it names the near ones alone


def choices(group: str) -> list[str]:
    """What may be chosen in one of `GROUPS`. A suite may also be a task."""
    return sorted({*paths.options(group), *(registry() if group == "suite" else ())})


def check_chosen(chosen: Iterable[str]) -> None:
    """Refuse a composition in which a group has several choices or none. `chosen`: the groups for which Hydra reports one choice.

    Hydra would let the last of several choices win. Suites are joined instead.
    """
    for group in GROUPS:
        if group not in {"suite", *chosen}:
            raise ConfigError(f"{group}: choose one, not a list and not none. Choices: {', '.join(choices(group))}")


def backends_of(chosen: Mapping[str, str | None]) -> list[type[BackendConfig]]:
    """The backends that settings, by key, may choose: which one an experiment or a sweep takes, only Hydra can tell."""
    if "experiment" in chosen and "backend" not in chosen:
        return list(BACKENDS.values())
    name = chosen.get("backend", "transformers")
    return [BACKENDS[name]] if name in BACKENDS else list(BACKENDS.values())


def nodes(key: str, schema: DictConfig, backends: list[type[BackendConfig]]) -> list[Any]:
    """The schema's nodes for a key, one for each backend that has it; none below a free mapping.

    Raises `ConfigError` for a key that does not exist, and for Hydra's `group@package`: every choice has its place.
    """
    group, at, _ = key.partition("@")
    if at and group in GROUPS:
        raise ConfigError(f"{key}: a choice cannot be moved to another place; write {group}=NAME")
    group, _, rest = key.partition(".")
    if group != "backend" or not rest:
        return _node(key, schema, "")
    known = [backend for backend in backends if rest.partition(".")[0] in backend.__dataclass_fields__]
    return [node for backend in known or backends for node in _node(rest, OmegaConf.structured(backend), "backend")]


def _node(key: str, node: Any, place: str) -> list[Any]:
    """The node at `key` below `node`, which stands at `place`; none below a free mapping. Raises `ConfigError` for an unknown key."""
    whole = f"{place}.{key}" if place else key
    for part in key.split("."):
        if not isinstance(node, DictConfig) or OmegaConf.get_type(node) is dict or node._is_missing():
            return []
        names = [str(name) for name in node]
        if part not in names:
            where = place or "the configuration"
            raise ConfigError(f"unknown key {whole!r}: {where} has no field {part!r}.{near(part, names)} Choices: {', '.join(names)}")
        place = f"{place}.{part}" if place else part
        node = node._get_node(part)
    return [node]


def no_such_choice(group: str, name: str, found: Iterable[str]) -> ConfigError:
    """A choice that does not exist. `found`: what Hydra has to offer; it knows of further folders of settings."""
    options = choices(group) if group in GROUPS else list(found)
    listed = f"Choices: {', '.join(options)}" if len(options) <= LISTED else "gemma-eval run --help lists the choices"
    return ConfigError(f"{group}={name}: no such choice.{near(name, options)} {listed}")
