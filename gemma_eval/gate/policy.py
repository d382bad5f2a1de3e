"""A policy says what a gate lets through. Policies are YAML files: those in `conf/gate/`, or your own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gemma_eval.errors import ConfigError, near
from gemma_eval.ranges import Share, Text, check
from gemma_eval.runtime import paths
from gemma_eval.task.base import Task
from gemma_eval.task.registry import registry

FOLDER = paths.CONF / "gate"


@dataclass
class Policy:
    """What a gate lets through. Margins are shares of the scale: two points are 0.02. `conf/gate/default.yaml` explains each key."""

    tasks: list[Text] = field(default_factory=list)
    margin: Share = 0.02
    margins: dict[str, Share] = field(default_factory=dict)
    pooled_margin: Share = 0.02
    alpha: Share = 0.05
    power: Share = 0.8

    def counts(self, task: Task) -> bool:
        """Whether the task counts: all do if the policy names none; otherwise those that it names, or whose family it names."""
        return not self.tasks or bool({task.name, family(type(task))} & set(self.tasks))

    def margin_of(self, task: Task) -> float:
        """The drop that is not allowed: the task's own margin, else its family's, else that of all tasks."""
        return self.margins.get(task.name, self.margins.get(family(type(task)), self.margin))


def family(page: type[Task]) -> str:
    """The folder of a task's page, such as "reasoning"; empty if the page is in none."""
    return page.__module__.split(".")[-2] if "." in page.__module__ else ""


def load_policy(name: str = "default", overrides: Sequence[str] = ()) -> Policy:
    """The policy of this name, or in this YAML file, with overrides such as `margin=0.01`. Raises `ConfigError`, naming the key.

    Plugins whose tasks have margins of their own must be loaded.
    """
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Policy), _values(name), OmegaConf.from_dotlist(list(overrides)))
        policy: Policy = OmegaConf.to_object(merged)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise ConfigError(f"gate={name}: {str(error).splitlines()[0]}. Keys: {', '.join(Policy.__dataclass_fields__)}") from error
    check(policy, "gate.")
    _check_margins(policy)
    return policy


def _check_margins(policy: Policy) -> None:
    """Raise `ConfigError` for a margin of what is neither a task nor a family."""
    known = {*registry(), *map(family, registry().values())} - {""}
    for name in sorted(policy.margins.keys() - known):
        raise ConfigError(f"gate.margins.{name}: no such task or family.{near(name, known)} gemma-eval tasks lists them")


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
