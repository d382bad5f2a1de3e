"""From Hydra's composed config to checked settings.

`gemma_eval.settings` has the schema; tasks add their own fields: `tasks.<name>` is the task's dataclass.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import field, make_dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gemma_eval.config.checks import validate
from gemma_eval.errors import ConfigError
from gemma_eval.runtime import paths
from gemma_eval.settings import (
    BACKENDS,
    RunConfig,
    TransformersConfig,
)
from gemma_eval.task.registry import registry


def register_schema() -> type[RunConfig]:
    """Register the schema with Hydra, one field of `tasks` and one single-task suite per registered task."""
    tasks = make_dataclass("Tasks", [(name, cls, field(default_factory=cls)) for name, cls in sorted(registry().items())])
    schema = make_dataclass("Schema", [("tasks", tasks, field(default_factory=tasks))], bases=(RunConfig,))
    OmegaConf.register_new_resolver("joined", lambda *lists: [item for one in lists for item in one], replace=True)
    store = ConfigStore.instance()
    store.store(name="schema", node=schema)
    for name, node in BACKENDS.items():
        store.store(group="backend", name=f"{name}_schema", node=node)
    for name in registry():
        store.store(group="suite", name=name, node={"name": name, "tasks": [name]}, provider="gemma_eval")
    return schema


def compose(overrides: list[str]) -> RunConfig:
    """Typed settings of `gemma-eval run <overrides>`, for programs that do not come by the command line."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    register_schema()
    with initialize_config_dir(str(paths.CONF), version_base="1.3"):
        try:
            return to_run_config(hydra_compose("config", overrides=allow_engine_args(overrides)))
        except HydraException as error:
            raise ConfigError(f"configuration: {error}") from error


def check_override_keys(overrides: list[str], schema: type[RunConfig]) -> None:
    """Refuse an override of an unknown key, naming the key and the choices (Hydra alone suggests `+key=`, which cannot work)."""
    matches = [re.match(r"[+~]*([A-Za-z_][\w.]*)=(.*)", override) for override in overrides]
    keys = {match[1]: match[2] for match in matches if match}
    node = OmegaConf.structured(schema)
    node.backend = OmegaConf.structured(BACKENDS.get(keys.get("backend", ""), TransformersConfig))
    for key in keys:
        if key.partition(".")[0] not in {"hydra", "experiment"}:
            _check_key(key, node)


def allow_engine_args(overrides: list[str]) -> list[str]:
    """`backend.engine_args.x=1` as Hydra wants it: keys that no schema lists need a `++`."""
    return [f"++{override}" if override.startswith("backend.engine_args.") else override for override in overrides]


def _check_key(key: str, node: Any) -> None:
    walked: list[str] = []
    for part in key.split("."):
        if not isinstance(node, DictConfig) or OmegaConf.get_type(node) is dict or node._is_missing():
            return
        names = [str(name) for name in node]
        if part not in names:
            place = ".".join(walked) or "the configuration"
            near = difflib.get_close_matches(part, names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"unknown key {key!r}: {place} has no field {part!r}.{hint} Choices: {', '.join(names)}")
        walked.append(part)
        node = node._get_node(part)


def to_run_config(config: DictConfig) -> RunConfig:
    """Typed settings from Hydra's composed config, checked."""
    try:
        run: RunConfig = OmegaConf.to_object(config)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise ConfigError(f"configuration: {error}") from error
    validate(run)
    return run
