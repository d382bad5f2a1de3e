"""A tiny Gemma 3 with random weights that reads images. Classes, tokenizer, processor and file layout are those of the real checkpoints.

`python -m tools.tiny_vision FOLDER` writes it to a folder.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from gemma_eval.checkpoint.resolve import resolve
from gemma_eval.config.compose import compose
from gemma_eval.types import Image

WINDOW = 96  # tokens; less than an image's 256, so that the window also divides images

CHAT = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] | trim }}{% else %}{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<start_of_image>{% else %}{{ part['text'] | trim }}{% endif %}"
    "{% endfor %}{% endif %}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def save(folder: Path, tokenizer_from: Path) -> None:
    """Write the checkpoint. An image has 896 x 896 pixels, 4,096 patches and 256 tokens. Two of the three layers have a sliding window."""
    torch.manual_seed(0)
    config = Gemma3Config(
        text_config={
            "vocab_size": 262208,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "sliding_window": WINDOW,
            "max_position_embeddings": 16384,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "query_pre_attn_scalar": 32,
            "initializer_range": 0.5,
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "image_size": 896,
            "patch_size": 14,
            "vision_use_head": False,
        },
        mm_tokens_per_image=256,
    )
    model = Gemma3ForConditionalGeneration(config)
    with torch.no_grad():  # a new projector is all zeros, so the model would not see the image
        model.model.multi_modal_projector.mm_input_projection_weight.normal_()
    model.save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    renamed = {name.replace("vision_tower.", "vision_tower.vision_model."): tensor for name, tensor in weights.items()}  # as on the Hub
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    processor(tokenizer_from).save_pretrained(folder)


def processor(tokenizer_from: Path) -> Any:
    """Gemma 3's processor, with the settings of the real checkpoints' preprocessor_config.json."""
    special = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_from, extra_special_tokens=special)
    half = [0.5, 0.5, 0.5]
    images = Gemma3ImageProcessorPil(size={"height": 896, "width": 896}, image_mean=half, image_std=half, resample=2)
    return Gemma3Processor(images, tokenizer, chat_template=CHAT, image_seq_length=256)


def picture(seed: int, width: int = 64, height: int = 48) -> Image:
    """A small PNG of colour blocks, different for each seed. Sizes in pixels."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return encoded(PIL.Image.fromarray(blocks).resize((width, height), PIL.Image.Resampling.NEAREST))


def encoded(pixels: PIL.Image.Image, kind: str = "PNG", **options: Any) -> Image:
    """The pixels as an encoded image; `options` are Pillow's for saving."""
    stream = io.BytesIO()
    pixels.save(stream, kind, **options)
    return Image(stream.getvalue())


if __name__ == "__main__":  # for `make demo`
    save(Path(sys.argv[1]), tokenizer_from=resolve(compose(["model=270m", "weights=gguf_q4_k_m"])).path)
