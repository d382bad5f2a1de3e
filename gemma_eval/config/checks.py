"""Settings that cannot work together are refused."""

from __future__ import annotations

import difflib
from pathlib import Path

from gemma_eval.checkpoint import quantization
from gemma_eval.checkpoint.resolve import checkpoint_ref, read_config
from gemma_eval.config.selection import selected_tasks
from gemma_eval.errors import ConfigError
from gemma_eval.runtime.processes import this
from gemma_eval.settings import (
    BackendConfig,
    ImagesConfig,
    PlanConfig,
    RunConfig,
    ServerConfig,
    TaskImages,
    TransformersConfig,
    VllmConfig,
)
from gemma_eval.task.base import Task
from gemma_eval.task.registry import registry
from gemma_eval.task.vision import VisionTask


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
