"""From Hydra's composed config to checked settings.

`gemma_eval.settings` has the schema; tasks add their own fields: `tasks.<name>` is the task's dataclass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, make_dataclass
from functools import lru_cache

from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from gemma_eval.config import suites
from gemma_eval.config.checks import check_suite, validate
from gemma_eval.config.keys import check_chosen
from gemma_eval.config.overrides import checked_overrides, last_of_each, plugin_files, refusal
from gemma_eval.config.selection import at_home, resolved
from gemma_eval.errors import ConfigError
from gemma_eval.ranges import check
from gemma_eval.runtime import paths
from gemma_eval.runtime.urls import check_arguments
from gemma_eval.settings import BACKENDS, RunConfig, unlocked
from gemma_eval.task.base import Task
from gemma_eval.task.registry import load_plugins, registry


def register_schema() -> DictConfig:
    """Register the schema with Hydra: one field of `tasks`, and one suite, for each registered task. Returns the schema."""
    return _register(tuple(sorted(registry().items())))


@lru_cache(maxsize=1)  # building it takes long, and Hydra's store keeps what was registered last
def _register(known: tuple[tuple[str, type[Task]], ...]) -> DictConfig:
    tasks = make_dataclass("Tasks", [(name, cls, field(default_factory=cls)) for name, cls in known])
    schema = make_dataclass("Schema", [("tasks", tasks, field(default_factory=tasks))], bases=(RunConfig,), frozen=True)
    node: DictConfig = unlocked(OmegaConf.structured(schema))
    suites.register_resolvers()
    OmegaConf.register_new_resolver("at_home", at_home, replace=True)
    store = ConfigStore.instance()
    store.store(name="schema", node=node)
    for name, backend in BACKENDS.items():
        store.store(group="backend", name=f"{name}_schema", node=unlocked(OmegaConf.structured(backend)))
    for name, _ in known:
        store.store(group="suite", name=name, node=suites.single_task(name), provider="gemma_eval")
    return node


def compose(overrides: list[str]) -> RunConfig:
    """Typed settings of `gemma-eval run <overrides>`, for programs that do not come by the command line."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    check_arguments(overrides)
    overrides = last_of_each(overrides)
    load_plugins(plugin_files(overrides))
    checked = checked_overrides(overrides, register_schema())
    with initialize_config_dir(str(paths.CONF), version_base="1.3"):
        try:
            config = hydra_compose("config", overrides=checked, return_hydra_config=True)
        except (HydraException, OmegaConfBaseException) as error:
            raise refusal(error) from error
    chosen = list(config.hydra.runtime.choices)
    with open_dict(config):
        del config["hydra"]
    return to_run_config(config, chosen)


def to_run_config(config: DictConfig, chosen: Iterable[str]) -> RunConfig:
    """Typed settings from Hydra's composed config, checked. `chosen`: the groups for which Hydra reports one choice."""
    check_chosen(chosen)
    try:
        run: RunConfig = OmegaConf.to_object(config)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise refusal(error) from error
    if not run.suite.tasks:
        raise ConfigError("suite: it has no task. Choose one with suite=NAME; a page in conf/suite lists its tasks under parts.NAME")
    check(run)
    check_suite(run)
    run = resolved(run)
    validate(run)
    return run
