"""Settings that cannot work, alone or together, are refused by key before anything is prepared. Nothing is changed here."""

from __future__ import annotations

from pathlib import Path

from gemma_eval.checkpoint import quantization
from gemma_eval.checkpoint.resolve import checkpoint_ref, read_config
from gemma_eval.config.overrides import near
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
    """Raise `ConfigError`, naming the key and the choices, for resolved settings that cannot work."""
    quantization.check(config)
    if config.model.path is None:
        checkpoint_ref(config)  # refuses weights that the size or variant does not have
    _check_processes(config.backend)
    _check_pass_tokens(config.backend)
    _check_images_are_read(config)
    _check_images("images", config.images)
    _check_limit("limit", config.limit)
    _check_plan(config.plan)
    for task in config.tasks:
        _check_task(task)


def check_suite(config: RunConfig) -> None:
    """Raise `ConfigError` for a suite that names a task which does not exist. Asked before settings are resolved."""
    known = registry()
    for name in config.suite.tasks:
        if name not in known:
            raise ConfigError(f"suite.tasks: no task {name!r}.{near(name, known)} Choices: {', '.join(sorted(known))}")


def _check_images_are_read(config: RunConfig) -> None:
    """Tasks with images need a model that reads images, and a backend that sends them."""
    tasks = ", ".join(task.name for task in config.tasks if task.vision)
    if not tasks:
        return
    if choice := _text_only_choice(config):
        raise ConfigError(f"{choice} cannot see images, which {tasks} need(s). Choose model=4b, 12b or 27b, or a suite of text tasks")
    if isinstance(config.backend, ServerConfig):
        raise ConfigError(f"backend={config.backend.name} sends no images: {tasks} need(s) backend=vllm or transformers")


def _text_only_choice(config: RunConfig) -> str:
    """The setting that makes the model read text alone; empty if it reads images."""
    if not (config.model.vision or _reads_images(config.model.path)):
        return f"model={config.model.size}"
    if config.model.path is None and checkpoint_ref(config).gguf:
        return f"weights={config.weights.name}"  # a GGUF keeps the image tower in a file of its own, which transformers does not read
    return ""


def _reads_images(path: str | None) -> bool:
    """Whether a local checkpoint reads images, by its config.json."""
    folder = Path(path).expanduser() if path else None
    return folder is not None and (folder / "config.json").is_file() and "vision_config" in read_config(folder)


def _check_processes(backend: BackendConfig) -> None:
    """Each of several processes has a model of its own on a device of its own."""
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


def _check_pass_tokens(backend: BackendConfig) -> None:
    if isinstance(backend, TransformersConfig) and backend.pass_tokens < 1:
        raise ConfigError(
            f"backend.pass_tokens={backend.pass_tokens}: must be at least 1 (leave it out for {TransformersConfig.pass_tokens})"
        )


def _check_limit(key: str, limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ConfigError(f"{key}={limit}: must be at least 1 (leave it out for the full split)")


def _check_plan(plan: PlanConfig) -> None:
    for key in ("difference", "discordant", "right", "alpha", "power"):
        if not 0 < (share := getattr(plan, key)) < 1:
            raise ConfigError(f"plan.{key}={share}: must be between 0 and 1 (two points are 0.02)")


def _check_task(task: Task) -> None:
    _check_limit(f"tasks.{task.name}.limit", task.limit)
    if task.num_fewshot < 0:
        raise ConfigError(f"tasks.{task.name}.num_fewshot={task.num_fewshot}: must be 0 or more")
    if isinstance(task, VisionTask):
        _check_images(f"tasks.{task.name}.images", task.images)


def _check_images(key: str, images: ImagesConfig | TaskImages) -> None:
    least = {"limit": 1, "min_crop_size": 1, "max_crops": 2, "min_ratio": 1}
    for name, smallest in least.items():
        value = getattr(images, name)
        if value is not None and value < smallest:
            raise ConfigError(f"{key}.{name}={value}: must be at least {smallest}")
