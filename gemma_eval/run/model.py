"""The model of a run: a checkpoint, and the backend that answers with it."""

from __future__ import annotations

from dataclasses import dataclass

from gemma_eval.backends import Backend, open_backend
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.prompt.renderer import ImageTokens, Renderer
from gemma_eval.settings import RunConfig, ServerConfig, Variant


@dataclass(frozen=True)
class Model:
    """A checkpoint and its backend. The backend loads the weights for its first request, and keeps them."""

    checkpoint: Checkpoint
    backend: Backend


def open_model(config: RunConfig, *, weights: bool = True) -> Model:
    """The model that the settings name. Without `weights`, only what its tokenizer needs is fetched. Raises `ConfigError`."""
    checkpoint = resolve(config, weights=weights and not isinstance(config.backend, ServerConfig))
    return Model(checkpoint, open_backend(config.backend, checkpoint))


def open_renderer(config: RunConfig, model: Model) -> Renderer:
    """What turns prompts into token ids for this model."""
    return Renderer(
        model.backend.tokenizer,
        context_length=config.backend.max_model_len or model.checkpoint.context_length,
        chat=config.variant is Variant.it,
        image_tokens=ImageTokens.of(model.checkpoint.config),
        images=config.images,
    )
