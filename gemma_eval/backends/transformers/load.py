"""The model is loaded as it will be scored, and what was loaded is compared with what was asked for."""

from __future__ import annotations

import logging
from typing import Any

import torch

from gemma_eval.backends.transformers.quantize import stored_layers, transformers_config
from gemma_eval.backends.transformers.tree_attention import TREE_ATTENTION
from gemma_eval.checkpoint.loading import load_model
from gemma_eval.checkpoint.quantization import check_stored
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError
from gemma_eval.settings import Quantization, TransformersConfig

log = logging.getLogger(__name__)


def load(checkpoint: Checkpoint, settings: TransformersConfig, device: torch.device) -> Any:
    """The model of a checkpoint, on its device and in its dtype, ready to answer.

    Raises `ConfigError` if it cannot be loaded, if weights are missing or left over, or if they are not stored as `weights=` or config.json
    says.
    """
    log.info("loading %s", checkpoint.name)
    arguments = _arguments(checkpoint, settings, device)
    try:
        model = load_model(checkpoint.path, checkpoint.name, **arguments, attn_implementation=TREE_ATTENTION)
    except ConfigError as error:
        if not isinstance(error.__cause__, ValueError):
            raise
        model = load_model(checkpoint.path, checkpoint.name, **arguments)  # its attention cannot be replaced, as the backend will notice
    _check_dtype(model, settings)
    if promise := checkpoint.promise:
        promise.check_layers("transformers", stored_layers(model))
    elif stored := checkpoint.stored_quantization:
        check_stored(stored, checkpoint.name, stored_layers(model))
    return model.eval() if "device_map" in arguments else model.eval().to(device)


def _arguments(checkpoint: Checkpoint, settings: TransformersConfig, device: torch.device) -> dict[str, Any]:
    """What `from_pretrained` is told."""
    arguments: dict[str, Any] = {"reads_images": checkpoint.reads_images, "dtype": getattr(torch, settings.dtype.value)}
    if config := transformers_config(checkpoint.quantization, settings.dtype):
        arguments["quantization_config"] = config  # a None would override what the checkpoint says
    if checkpoint.quantization is not Quantization.none or checkpoint.stored_quantization:
        arguments["device_map"] = {"": device}  # quantized weights cannot be moved afterwards
    if settings.device_map:
        arguments["device_map"] = settings.device_map
    return arguments


def _check_dtype(model: Any, settings: TransformersConfig) -> None:
    """Raise `ConfigError` if the embedding, which no quantization touches, is not in the dtype of the settings."""
    found = str(model.get_input_embeddings().weight.dtype).removeprefix("torch.")
    if found != settings.dtype.value:
        raise ConfigError(
            f"backend.dtype={settings.dtype.value}: the model was loaded in {found}: choose that one if it is offered, or other weights"
        )
