"""Quantization as from_pretrained takes it."""

from __future__ import annotations

from typing import Any

from gemma_eval.settings import Quantization


def transformers_config(chosen: Quantization) -> Any:
    """What `from_pretrained` takes as `quantization_config`; None where the checkpoint says it itself."""
    import torch
    import transformers

    if chosen is Quantization.bnb_int8:
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    if chosen is Quantization.bnb_nf4:
        return transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    if chosen in (Quantization.torchao_int8, Quantization.torchao_int8_dynamic, Quantization.torchao_int4):
        from torchao import quantization

        configs = {
            Quantization.torchao_int8: quantization.Int8WeightOnlyConfig,
            Quantization.torchao_int8_dynamic: quantization.Int8DynamicActivationInt8WeightConfig,
            Quantization.torchao_int4: quantization.Int4WeightOnlyConfig,
        }
        return transformers.TorchAoConfig(configs[chosen]())
    return None
