"""Does a run fit into memory? Bytes for weights, keys and values, and activations, from the model's configuration alone.

Gemma 3 keeps keys and values of all positions in one layer of six. The five local ones need no more than their window, if the engine makes
use of that. Nothing is loaded: parameters are counted on PyTorch's meta device.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemma_eval.checkpoint.configuration import load_config

HEAD_BYTES = 2 * (1 << 22) * 4  # blocks of logits in the output head, which never makes a tensor of all logits


@dataclass(frozen=True)
class Need:
    """Bytes that a run needs. `cache`: keys and values of the longest sequence; each further one at once needs as much again."""

    weights: int
    cache: int
    activations: int

    @property
    def total(self) -> int:
        """Bytes with one sequence at a time."""
        return self.weights + self.cache + self.activations


def need(folder: Path, *, bits: float, dtype_bytes: int, longest: int, pass_tokens: int, windowed: bool) -> Need:
    """What the checkpoint in `folder` needs, with linear layers of `bits` bits a weight and everything else in the dtype.

    `longest`: tokens of the longest sequence. `pass_tokens`: tokens in one forward. `windowed`: whether local layers keep their window
    alone.
    """
    config = load_config(folder)
    linear, other = parameters(config)
    text = config.get_text_config()
    activations = pass_tokens * activation_width(text) * dtype_bytes + HEAD_BYTES
    if vision := getattr(config, "vision_config", None):
        patches = (vision.image_size // vision.patch_size) ** 2
        activations += patches * (4 * vision.hidden_size + vision.intermediate_size) * dtype_bytes
    return Need(round(linear * bits / 8) + other * dtype_bytes, cache_bytes(text, longest, dtype_bytes, windowed), activations)


def parameters(config: Any) -> tuple[int, int]:
    """How many weights are in linear layers, which quantization shrinks, and how many in embeddings, tied head, norms and image tower."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    head = model.get_output_embeddings()
    modules = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    linear = sum(module.weight.numel() for name, module in modules.items() if module is not head and "vision" not in name)
    return linear, sum(parameter.numel() for parameter in model.parameters()) - linear


def cache_bytes(text: Any, tokens: int, dtype_bytes: int, windowed: bool) -> int:
    """Bytes for the keys and values of one sequence of so many tokens. `text`: the configuration of the language model."""
    layers = getattr(text, "layer_types", None) or ["full_attention"] * text.num_hidden_layers
    window = getattr(text, "sliding_window", None)
    kept = [min(tokens, window) if windowed and window and layer == "sliding_attention" else tokens for layer in layers]
    return int(2 * _key_value_heads(text) * _head_dim(text) * dtype_bytes * sum(kept))


def activation_width(text: Any) -> int:
    """How many values a token has at a time inside a layer: residual and its norm, queries and outputs, keys, values, the MLP's three."""
    attention = 2 * (text.num_attention_heads + _key_value_heads(text)) * _head_dim(text)
    return int(2 * text.hidden_size + attention + 3 * text.intermediate_size)


def _key_value_heads(text: Any) -> int:
    return int(getattr(text, "num_key_value_heads", None) or text.num_attention_heads)


def _head_dim(text: Any) -> int:
    return int(getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)


def device_bytes(device: str, several: bool) -> tuple[str, int]:
    """The device that a run would use, in words, and its memory in bytes. `several`: the model is spread over all GPUs."""
    import torch

    if device != "cpu" and torch.cuda.is_available():
        gpus = range(torch.cuda.device_count()) if several else [torch.device(device if device != "auto" else "cuda").index or 0]
        names = {torch.cuda.get_device_name(i) for i in gpus}
        return f"{len(gpus)} x {', '.join(sorted(names))}", sum(torch.cuda.get_device_properties(i).total_memory for i in gpus)
    return "this machine's memory", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
