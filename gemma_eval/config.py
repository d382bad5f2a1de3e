"""From Hydra's composed config to checked settings.

`gemma_eval.settings` has the schema; tasks add their own fields: `tasks.<name>` is the task's dataclass.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gemma_eval import paths, quantization
from gemma_eval.checkpoint import checkpoint_ref, read_config
from gemma_eval.code_generation import CodeGeneration
from gemma_eval.errors import ConfigError
from gemma_eval.processes import this
from gemma_eval.registry import registry
from gemma_eval.settings import (
    BACKENDS,
    BackendConfig,
    ImagesConfig,
    PlanConfig,
    RunConfig,
    ServerConfig,
    TaskImages,
    TransformersConfig,
    VllmConfig,
)
from gemma_eval.task import Task
from gemma_eval.vision import VisionTask


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


def validate(config: RunConfig) -> None:
    """Refuse pairs that cannot work, naming the key and the choices."""
    _validate_suite(config)
    quantization.check(config)
    if config.model.path is None:
        checkpoint_ref(config)  # refuses weights that the size or variant does not have
    _validate_processes(config.backend)
    _validate_pass(config.backend)
    _validate_sight(config)
    _validate_images("images", config.images)
    _validate_limit("limit", config.limit)
    _validate_plan(config.plan)
    for task in selected_tasks(config):
        _validate_task(task)


def _validate_suite(config: RunConfig) -> None:
    known = registry()
    for name in config.suite.tasks:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"suite.tasks: no task {name!r}.{hint} Choices: {', '.join(sorted(known))}")


def _validate_sight(config: RunConfig) -> None:
    """Tasks on pictures need weights that see, and a backend that shows them."""
    blinding = _blinding(config)
    seeing = ", ".join(name for name in config.suite.tasks if registry()[name].vision)
    if blinding and seeing:
        raise ConfigError(f"{blinding} cannot see images, which {seeing} need(s). Choose model=4b, 12b or 27b, or a suite of text tasks")
    if isinstance(config.backend, ServerConfig) and seeing:
        raise ConfigError(f"backend={config.backend.name} sends no images: {seeing} need(s) backend=vllm or transformers")


def _blinding(config: RunConfig) -> str:
    """The choice for which images cannot be read, if there is one."""
    if not (config.model.vision or _sees(config.model.path)):
        return f"model={config.model.size}"
    if config.model.path is None and checkpoint_ref(config).gguf:
        return f"weights={config.weights.name}"  # the image tower is a file of its own, which transformers does not read
    return ""


def _sees(path: str | None) -> bool:
    """Whether a local checkpoint reads images."""
    return path is not None and (file := Path(path).expanduser() / "config.json").is_file() and "vision_config" in read_config(file.parent)


def _validate_processes(backend: BackendConfig) -> None:
    """In several processes, each has a model of its own on a device of its own."""
    if not this().several:
        return
    if not isinstance(backend, TransformersConfig):
        own = "backend.tensor_parallel_size, data_parallel_size" if isinstance(backend, VllmConfig) else "backend.concurrency"
        raise ConfigError(f"backend={backend.name} scales in its own way ({own}), not by processes: start gemma-eval without a launcher")
    if backend.device_map:
        raise ConfigError(
            f"backend.device_map={backend.device_map} spreads one model over all GPUs, which several processes cannot share: "
            "leave it out, or start gemma-eval without a launcher"
        )
    if ":" in backend.device:
        raise ConfigError(f"backend.device={backend.device}: each of several processes takes a GPU of its own; choose auto, cuda or cpu")


def _validate_pass(backend: BackendConfig) -> None:
    if isinstance(backend, TransformersConfig) and backend.pass_tokens < 1:
        raise ConfigError(
            f"backend.pass_tokens={backend.pass_tokens}: must be at least 1 (leave it out for {TransformersConfig.pass_tokens})"
        )


def _validate_limit(key: str, limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ConfigError(f"{key}={limit}: must be at least 1 (leave it out for the full split)")


def _validate_plan(plan: PlanConfig) -> None:
    for key in ("difference", "discordant", "right", "alpha", "power"):
        if not 0 < (share := getattr(plan, key)) < 1:
            raise ConfigError(f"plan.{key}={share}: must be between 0 and 1 (two points are 0.02)")


def _validate_task(task: Task) -> None:
    _validate_limit(f"tasks.{task.name}.limit", task.limit)
    if task.num_fewshot < 0:
        raise ConfigError(f"tasks.{task.name}.num_fewshot={task.num_fewshot}: must be 0 or more")
    if isinstance(task, VisionTask):
        _validate_images(f"tasks.{task.name}.images", task.images)


def _validate_images(key: str, images: ImagesConfig | TaskImages) -> None:
    least = {"limit": 1, "min_crop_size": 1, "max_crops": 2, "min_ratio": 1}
    for name, smallest in least.items():
        value = getattr(images, name)
        if value is not None and value < smallest:
            raise ConfigError(f"{key}.{name}={value}: must be at least {smallest}")


def selected_tasks(config: RunConfig) -> list[Task]:
    """The suite's tasks with their settings; the run's limit, seed and images fill what a task leaves open."""
    tasks = []
    for name in dict.fromkeys(config.suite.tasks):
        task: Task = getattr(config.tasks, name)
        task.limit = config.limit if task.limit is None else task.limit
        task.seed = config.seed if task.seed is None else task.seed
        if config.sandbox and isinstance(task, CodeGeneration):
            task.sandbox = config.sandbox
        if isinstance(task, VisionTask):
            task.show_as(config.images)
        tasks.append(task)
    return tasks


def run_name(config: RunConfig) -> str:
    """Name of the run directory: the same choices give the same name, so the same command resumes."""
    if config.run:
        return config.run
    model = config.model.size if config.model.path is None else config.model.path.rstrip("/").rsplit("/", 1)[-1]
    weights = weights_label(config)
    parts = [model, config.variant.value, weights, config.backend.name, config.suite.name]
    return "-".join(parts + (["samples"] if config.data.samples else []))


def weights_label(config: Any) -> str:
    """What the weights are called in names and reports: the quantization, and of what, unless that is Google's checkpoint."""
    weights, made_of = config.weights.name, getattr(config.weights, "checkpoint", None)
    if config.model.path is not None:
        return f"local-{weights}" if made_of else "local"
    return weights if made_of in (None, "bf16") else f"{weights}-of-{made_of}"
