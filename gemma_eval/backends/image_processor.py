"""Images become pixel values, as the checkpoint's own image processor makes them, whatever engine reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import PIL.Image
import torch

from gemma_eval.backends.base import Answer
from gemma_eval.checkpoint.tokenizer import load_image_processor
from gemma_eval.errors import PromptError, UnansweredError
from gemma_eval.prompt import images
from gemma_eval.types import JSON, Encoded, ImageSpan


class ImageProcessor:
    """Decodes and resizes the images of prompts.

    An image that cannot be decoded becomes a blank one, and `unreadable` says why, by its SHA-256: answers to it are not given out.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.unreadable: dict[str, str] = {}

    @classmethod
    def of(cls, checkpoint: Path) -> ImageProcessor:
        """The checkpoint's processor. Raises `ConfigError` if there is none."""
        return cls(load_image_processor(checkpoint))

    @property
    def fingerprint(self) -> dict[str, JSON]:
        """What can change an answer to an image."""
        return {"image_processor": type(self._processor).__name__, "image_attention": "both ways"}

    def read(self, span: ImageSpan) -> torch.Tensor:
        """Pixel values of an image or its crop, [1, 3, height, width], float32."""
        try:
            image = images.decode(span.image, span.box)
        except PromptError as error:
            self.unreadable[span.image.sha256] = str(error)
            image = PIL.Image.new("RGB", (1, 1))
        pixel_values: torch.Tensor = self._processor(image, do_pan_and_scan=False, return_tensors="pt")["pixel_values"]
        return pixel_values


def why_unreadable(request: Encoded, unreadable: Mapping[str, str]) -> str | None:
    """What is wrong with the request's first unreadable image; None if none is known to be unreadable."""
    return next((unreadable[span.image.sha256] for span in request.images if span.image.sha256 in unreadable), None)


def readable(requests: Sequence[Encoded], answers: Iterable[Answer], unreadable: Mapping[str, str]) -> Iterator[Answer]:
    """The answers, but for those to images that by then are known to be unreadable. `UnansweredError` names these in the end."""
    refused: dict[int, str] = {}
    try:
        for answer in answers:
            if why := why_unreadable(requests[answer.index], unreadable):
                refused[answer.index] = why
            else:
                yield answer
    except UnansweredError as error:
        refused |= error.reasons
    if refused:
        raise UnansweredError(refused)
