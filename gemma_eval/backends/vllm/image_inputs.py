"""Prompts with images for vLLM: our token ids, our pixel values, and where each image stands.

vLLM's own processor would insert the soft tokens itself, from text or from ids with a mark for each image. Its input of processed parts
takes them as they are, so that ids and pixel values are those that every backend of gemma_eval sends. Seen to work with vLLM 0.32.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

from gemma_eval.backends.image_processor import ImageProcessor
from gemma_eval.errors import ConfigError
from gemma_eval.types import Box, ImageSpan, TokenIds

KEPT = 32  # images whose pixel values are kept, at 10 MB each: those of exemplars, which many prompts in a row show


class ImageInputs:
    """Makes prompts with images. The engine knows each image by its content, and encodes it once while it remembers it."""

    def __init__(self, processor: ImageProcessor) -> None:
        self._processor = processor
        self._known: OrderedDict[tuple[str, Box | None], Any] = OrderedDict()

    def prompt(self, ids: TokenIds, images: tuple[ImageSpan, ...]) -> dict[str, Any]:
        """What vLLM's `add_request` takes for `ids` [tokens] with these images."""
        from vllm.multimodal.inputs import MultiModalKwargsItems, PlaceholderRange

        return {
            "type": "multimodal",
            "prompt_token_ids": ids.tolist(),
            "mm_kwargs": MultiModalKwargsItems({"image": [self._item(span) for span in images]}),
            "mm_hashes": {"image": ["-".join(map(str, (span.image.sha256, *(span.box or ())))) for span in images]},
            "mm_placeholders": {"image": [PlaceholderRange(span.start, span.end - span.start) for span in images]},
        }

    def _item(self, span: ImageSpan) -> Any:
        if span.content not in self._known:
            self._known[span.content] = _item(self._processor.read(span))
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(span.content)
        return self._known[span.content]


def _item(pixel_values: torch.Tensor) -> Any:
    """One image [1, 3, height, width] as Gemma 3 in vLLM takes it: a single patch, which is the whole image or a crop."""
    from transformers import BatchFeature
    from vllm.multimodal.inputs import MultiModalFieldConfig, MultiModalKwargsItems

    patches = torch.ones(1, dtype=torch.long)
    fields = {
        "pixel_values": MultiModalFieldConfig.flat_from_sizes("image", patches),
        "num_patches": MultiModalFieldConfig.batched("image", keep_on_cpu=True),
    }
    items = MultiModalKwargsItems.from_hf_inputs(BatchFeature({"pixel_values": pixel_values, "num_patches": patches}), fields)
    return items["image"][0]


def check_attention(model_config: Any, device: str, version: str) -> None:
    """Raise `ConfigError` if the engine's attention cannot let the tokens of an image see each other, as Gemma 3's do."""
    if device == "cpu":
        raise ConfigError(
            "backend=vllm on a CPU: its attention lets the tokens of an image see only what stands before them, but Gemma 3's see "
            "each other; run image tasks with backend=transformers there"
        )
    if not getattr(model_config, "is_mm_prefix_lm", False):
        raise ConfigError(
            f"backend=vllm: vLLM {version} does not let the tokens of an image see each other, as Gemma 3's do; "
            "install a newer one, or run image tasks with backend=transformers"
        )
