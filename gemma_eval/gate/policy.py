"""A policy says what a gate lets through. Policies are YAML files: those in `conf/gate/`, or your own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gemma_eval.errors import ConfigError
from gemma_eval.runtime import paths
from gemma_eval.task.base import Task

FOLDER = paths.CONF / "gate"


@dataclass
class Policy:
    """What a gate lets through. Margins are shares of the scale: two points are 0.02. `conf/gate/default.yaml` explains each key."""

    tasks: list[str] = field(default_factory=list)
    margin: float = 0.02
    margins: dict[str, float] = field(default_factory=dict)
    pooled_margin: float = 0.02
    alpha: float = 0.05
    power: float = 0.8

    def counts(self, task: Task) -> bool:
        """Whether the task counts: all do if the policy names none; otherwise those that it names, or whose family it names."""
        return not self.tasks or bool({task.name, family(task)} & set(self.tasks))

    def margin_of(self, task: Task) -> float:
        """The drop that is not allowed: the task's own margin, else its family's, else that of all tasks."""
        return self.margins.get(task.name, self.margins.get(family(task), self.margin))


def family(task: Task) -> str:
    """The folder of the task's page, such as "reasoning"; empty if the page is in none."""
    return type(task).__module__.split(".")[-2] if "." in type(task).__module__ else ""


def load_policy(name: str = "default", overrides: Sequence[str] = ()) -> Policy:
    """The policy of this name, or in this YAML file, with overrides such as `margin=0.01`. Raises `ConfigError`, naming the key."""
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Policy), _values(name), OmegaConf.from_dotlist(list(overrides)))
        policy: Policy = OmegaConf.to_object(merged)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise ConfigError(f"gate={name}: {str(error).splitlines()[0]}. Keys: {', '.join(Policy.__dataclass_fields__)}") from error
    for key in ("margin", "pooled_margin", "alpha", "power"):
        _check_share(f"gate.{key}", getattr(policy, key))
    for key, margin in policy.margins.items():
        _check_share(f"gate.margins.{key}", margin)
    return policy


def _values(name: str) -> Any:
    file = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not file.is_file():
        choices = ", ".join(sorted(path.stem for path in FOLDER.glob("*.yaml")))
        raise ConfigError(f"gate={name}: no such policy. Choices: {choices}; or a YAML file")
    values = OmegaConf.load(file)
    if not isinstance(values, DictConfig):
        raise ConfigError(f"gate={name}: {file} must hold keys and values")
    bases = [_values(base) for base in values.pop("defaults", [])]
    return OmegaConf.merge(*bases, values)


def _check_share(key: str, value: float) -> None:
    if not 0 < value < 1:
        raise ConfigError(f"{key}={value}: must be between 0 and 1; a margin of two points is 0.02")
