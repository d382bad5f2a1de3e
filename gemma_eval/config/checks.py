"""Settings that cannot work, alone or together, are refused by key before anything is prepared. Nothing is changed here."""

from __future__ import annotations

import os
from operator import attrgetter
from pathlib import Path

from gemma_eval.checkpoint import quantization
from gemma_eval.checkpoint.configuration import read_config
from gemma_eval.checkpoint.resolve import checkpoint_ref
from gemma_eval.errors import ConfigError, near
from gemma_eval.runtime.processes import this
from gemma_eval.runtime.urls import check_server_url
from gemma_eval.settings import (
    BackendConfig,
    RunConfig,
    ServerConfig,
    TransformersConfig,
    VllmConfig,
)
from gemma_eval.task.base import Task
from gemma_eval.task.registry import registry
from gemma_eval.task.shots import check_shots


def validate(config: RunConfig) -> None:
    """Raise `ConfigError`, naming the key and the choices, for resolved settings that cannot work."""
    quantization.check(config)
    if config.model.path is None:
        checkpoint_ref(config)  # refuses weights that the size or variant does not have
    _check_processes(config.backend)
    _check_images_are_read(config)
    _check_bundled(config)
    for task in config.tasks:
        check_shots(task)
    if isinstance(config.backend, ServerConfig):
        _check_server(config.backend)


def check_suite(config: RunConfig) -> None:
    """Raise `ConfigError` for a suite that names a task which does not exist. Asked before settings are resolved."""
    known = registry()
    for name in config.suite.tasks:
        if name not in known:
            raise ConfigError(f"suite.tasks: no task {name!r}.{near(name, known)} Choices: {', '.join(sorted(known))}")


def _check_bundled(config: RunConfig) -> None:
    """Bundled items are as they are: settings that find or make others have no effect on them."""
    if not config.data.samples:
        return
    if config.data.root is not None:
        raise ConfigError(f"data.root={config.data.root}: has no effect with data=samples; leave one of them out")
    for task in config.tasks:
        page = type(task)()
        for name in (*task.selection_settings, "dataset.revision"):
            if name not in Task.selection_settings and attrgetter(name)(task) != attrgetter(name)(page):
                raise ConfigError(f"tasks.{task.name}.{name}: has no effect with data=samples; leave one of them out")


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


def _check_server(backend: ServerConfig) -> None:
    """The server has an address, and the key that the settings name is there."""
    check_server_url("backend.url", backend.url)
    if backend.key_variable != ServerConfig.key_variable and not os.environ.get(backend.key_variable):
        raise ConfigError(  # the name is not shown: it may be the key
            "backend.key_variable: no environment variable of this name is set; name the variable that holds the key, and set it"
        )


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
