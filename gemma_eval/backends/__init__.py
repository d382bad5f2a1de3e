"""Backends answer encoded requests. `open_backend` opens one, and imports only the engine that it needs."""

from __future__ import annotations

from gemma_eval.backends.base import UNWATCHED, Answer, Backend, Phase, Watcher
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError
from gemma_eval.settings import BACKENDS, BackendConfig, ServerConfig, TransformersConfig, VllmConfig

__all__ = ["UNWATCHED", "Answer", "Backend", "Phase", "Watcher", "check_backend", "open_backend"]


def check_backend(settings: BackendConfig) -> None:
    """Raise `ConfigError` if this machine cannot do what the settings name. Asked before anything is fetched."""
    if isinstance(settings, TransformersConfig):
        from gemma_eval.backends.transformers.device import check_device

        check_device(settings)
    elif isinstance(settings, VllmConfig):
        from gemma_eval.backends.vllm.engine import check_engine_args

        check_engine_args(settings)


def open_backend(settings: BackendConfig, checkpoint: Checkpoint) -> Backend:
    """The backend that the settings name. Its first request loads the weights. Raises `ConfigError` if the engine is not installed."""
    if isinstance(settings, TransformersConfig):
        from gemma_eval.backends.transformers import TransformersBackend

        return TransformersBackend(settings, checkpoint)
    if isinstance(settings, VllmConfig):
        from gemma_eval.backends.vllm import VllmBackend

        return VllmBackend(settings, checkpoint)
    if isinstance(settings, ServerConfig):
        from gemma_eval.backends.server import ServerBackend

        return ServerBackend(settings, checkpoint)
    raise ConfigError(f"backend={settings.name}: unknown. Choices: {', '.join(BACKENDS)}")
