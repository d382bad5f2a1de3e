"""A checkpoint with the backend that answers for it."""

from __future__ import annotations

from dataclasses import dataclass

from gemma_eval.backends import Backend, open_backend
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.prompt.renderer import ImageTokens, Renderer
from gemma_eval.settings import RunConfig, ServerConfig, Variant


@dataclass(frozen=True)
class Model:
    """A checkpoint and the backend that answers with it; its weights are loaded when the first request is answered, and kept."""

    checkpoint: Checkpoint
    backend: Backend


def open_model(config: RunConfig, *, weights: bool = True) -> Model:
    checkpoint = resolve(config, weights=weights and not isinstance(config.backend, ServerConfig))
    return Model(checkpoint, open_backend(config.backend, checkpoint))


def open_renderer(config: RunConfig, model: Model) -> Renderer:
    return Renderer(
        model.backend.tokenizer,
        context_length=config.backend.max_model_len or model.checkpoint.context_length,
        chat=config.variant is Variant.it,
        image_tokens=ImageTokens.of(model.checkpoint.config),
        images=config.images,
    )
