"""A checkpoint with 8-bit weights and activations, as llm-compressor writes one for compressed-tensors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

W8A8 = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "ignore": ["lm_head"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False},
            "input_activations": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True},
        }
    },
}


def save_w8a8(source: Path, folder: Path) -> None:
    """Write a text checkpoint once more, with the linear layers of its language model quantized by output channel."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    weights = {}
    for name, tensor in load_file(source / "model.safetensors").items():
        if ".layers." in name and name.endswith("proj.weight"):
            scale = tensor.abs().amax(dim=1, keepdim=True) / 127
            weights[name] = (tensor / scale).round().clamp(-127, 127).to(torch.int8)
            weights[name.removesuffix("weight") + "weight_scale"] = scale.to(torch.bfloat16)
        else:
            weights[name] = tensor.to(torch.bfloat16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text()) | {"dtype": "bfloat16", "quantization_config": W8A8}
    (folder / "config.json").write_text(json.dumps(config))
