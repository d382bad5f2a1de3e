"""Backends answer encoded requests. `open_backend` is the only door; engines are imported behind it."""

from __future__ import annotations

from gemma_eval.backends.base import Answer, Backend
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError
from gemma_eval.settings import BACKENDS, BackendConfig, ServerConfig, TransformersConfig, VllmConfig

__all__ = ["Answer", "Backend", "open_backend"]


def open_backend(settings: BackendConfig, checkpoint: Checkpoint) -> Backend:
    """The backend that the settings name. No weights are loaded before the first request is answered."""
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
