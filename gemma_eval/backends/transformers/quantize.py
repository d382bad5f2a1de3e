"""Quantization as transformers is told of it, and as the layers that it loaded show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch

from gemma_eval.checkpoint.quantization import UNQUANTIZED, scheme_name
from gemma_eval.settings import Dtype, Quantization


def transformers_config(chosen: Quantization, dtype: Dtype) -> Any:
    """The `quantization_config` of `from_pretrained`; None where the checkpoint itself says how it is quantized, or is not.

    `dtype`: what layers with 4-bit weights compute in.
    """
    import transformers

    if chosen is Quantization.bnb_int8:
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    if chosen is Quantization.bnb_nf4:
        compute_dtype = getattr(torch, dtype.value)
        return transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=compute_dtype)
    if chosen in (Quantization.torchao_int8, Quantization.torchao_int8_dynamic, Quantization.torchao_int4):
        from torchao import quantization

        configs = {
            Quantization.torchao_int8: quantization.Int8WeightOnlyConfig,
            Quantization.torchao_int8_dynamic: quantization.Int8DynamicActivationInt8WeightConfig,
            Quantization.torchao_int4: quantization.Int4WeightOnlyConfig,
        }
        return transformers.TorchAoConfig(configs[chosen]())
    return None


def stored_layers(model: Any) -> Counter[str]:
    """How many linear layers of the language model are stored in which way, by the names of `quantization.LOADERS`.

    It is read off the weights, not the model's configuration: a layer that was meant to be quantized and is not counts as it is.
    """
    return Counter(_storage(layer) for layer in model.get_decoder().modules() if isinstance(layer, torch.nn.Linear))


def _storage(layer: Any) -> str:
    """How one linear layer's weights are stored."""
    if scheme := getattr(layer, "quantization_scheme", None):
        return f"compressed-tensors {scheme_name(scheme.model_dump())}"
    weight = layer.weight
    package = type(weight).__module__.partition(".")[0]
    if package == "torchao":
        return f"torchao {_widest(weight)}{', activations too' if _quantizes_activations(weight) else ''}"
    if weight.dtype in (torch.float32, torch.bfloat16, torch.float16):
        return UNQUANTIZED
    if package == "bitsandbytes":
        return f"bitsandbytes {getattr(weight, 'quant_type', None) or _name(weight.dtype)}"
    return f"{type(layer).__name__} of {_name(weight.dtype)}"


def _widest(weight: torch.Tensor) -> str:
    """Type of the numbers that a torchao weight is made of: those of the largest tensor inside, by bits a weight."""
    data = max(_plain_tensors(weight), key=lambda tensor: tensor.nbytes)
    bits = round(8 * data.nbytes / weight.numel())
    return f"{'float' if data.dtype.is_floating_point else 'int'}{bits}"


def _plain_tensors(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The tensors that a tensor subclass is made of, at any depth."""
    if not hasattr(tensor, "__tensor_flatten__"):
        yield tensor
        return
    names, _ = tensor.__tensor_flatten__()
    for name in names:
        yield from _plain_tensors(getattr(tensor, name))


def _quantizes_activations(weight: torch.Tensor) -> bool:
    """Whether a layer with this torchao weight quantizes its inputs too, by a setting of the weight or, in older versions, its class."""
    return getattr(weight, "act_quant_kwargs", None) is not None or "ActivationQuantized" in type(weight).__name__


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
