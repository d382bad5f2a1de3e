"""Pictures become pixels, as the checkpoint's own image processor makes them, whatever engine reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import PIL.Image
import torch
import transformers

from gemma_eval.backends.base import Answer
from gemma_eval.errors import PromptError, UnansweredError
from gemma_eval.prompt import images
from gemma_eval.types import JSON, Encoded, ImageSpan


class ImageProcessor:
    """Decodes what a prompt shows. A picture that cannot be decoded becomes a blank one, and `unreadable` says why, by its hash."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.unreadable: dict[str, str] = {}

    @classmethod
    def of(cls, checkpoint: Path) -> ImageProcessor:
        """With the processor that resizes with Pillow, whatever is installed: the same pixels everywhere."""
        return cls(transformers.AutoImageProcessor.from_pretrained(checkpoint, backend="pil"))

    @property
    def fingerprint(self) -> dict[str, JSON]:
        """What of a model's pictures can change an answer."""
        return {"image_processor": type(self._processor).__name__, "image_attention": "both ways"}

    def read(self, span: ImageSpan) -> torch.Tensor:
        """[1, 3, height, width], float32."""
        try:
            picture = images.decode(span.image, span.box)
        except PromptError as error:
            self.unreadable[span.image.sha256] = str(error)
            picture = PIL.Image.new("RGB", (1, 1))
        pixels: torch.Tensor = self._processor(picture, do_pan_and_scan=False, return_tensors="pt")["pixel_values"]
        return pixels


def why_unreadable(request: Encoded, unreadable: Mapping[str, str]) -> str | None:
    """What is wrong with the first picture of the request that is known to be unreadable, if any is."""
    return next((unreadable[span.image.sha256] for span in request.images if span.image.sha256 in unreadable), None)


def readable(requests: Sequence[Encoded], answers: Iterable[Answer], unreadable: Mapping[str, str]) -> Iterator[Answer]:
    """The answers, but for those to a picture that by then is known to be unreadable: `UnansweredError` names them in the end."""
    refused: dict[int, str] = {}
    for answer in answers:
        if why := why_unreadable(requests[answer.index], unreadable):
            refused[answer.index] = why
        else:
            yield answer
    if refused:
        raise UnansweredError(refused)
