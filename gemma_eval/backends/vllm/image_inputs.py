"""Prompts with pictures for vLLM: our token ids, our pixels, and where each picture stands.

vLLM's own processor would insert the soft tokens itself, from text or from ids with a mark for each picture. Its input of processed
parts takes them as they are, so that ids and pixels are those that every backend of gemma_eval sends. Seen to work with vLLM 0.32.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

from gemma_eval.backends.image_processor import ImageProcessor
from gemma_eval.errors import ConfigError
from gemma_eval.types import Box, ImageSpan, TokenIds

KEPT = 32  # pictures whose pixels are kept, at 10 MB each: the exemplars', which many prompts in a row show


class ImageInputs:
    """Makes prompts with pictures. The engine knows each picture by its content, and encodes it once while it remembers it."""

    def __init__(self, pixels: ImageProcessor) -> None:
        self._image_processor = pixels
        self._known: OrderedDict[tuple[str, Box | None], Any] = OrderedDict()

    def prompt(self, ids: TokenIds, images: tuple[ImageSpan, ...]) -> dict[str, Any]:
        """What vLLM's `add_request` takes."""
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
            self._known[span.content] = _item(self._image_processor.read(span))
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(span.content)
        return self._known[span.content]


def _item(pixels: torch.Tensor) -> Any:
    """One picture as Gemma 3 in vLLM takes it: a single patch, whole or a crop."""
    from transformers import BatchFeature
    from vllm.multimodal.inputs import MultiModalFieldConfig, MultiModalKwargsItems

    patches = torch.ones(1, dtype=torch.long)
    fields = {
        "pixel_values": MultiModalFieldConfig.flat_from_sizes("image", patches),
        "num_patches": MultiModalFieldConfig.batched("image", keep_on_cpu=True),
    }
    items = MultiModalKwargsItems.from_hf_inputs(BatchFeature({"pixel_values": pixels, "num_patches": patches}), fields)
    return items["image"][0]


def check(model_config: Any, device: str, version: str) -> None:
    """Refuse an engine whose attention cannot let the tokens of a picture see each other, as Gemma 3's do."""
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
