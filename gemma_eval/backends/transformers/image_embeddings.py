"""Images become embeddings: each distinct image is decoded, resized, and read by vision tower and projector once.

The images of requests are numbered (`plan.tree.number_images`): the ids of their soft tokens are counted from `FIRST_IMAGE` on.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from gemma_eval.backends.image_processor import ImageProcessor
from gemma_eval.plan.tree import FIRST_IMAGE
from gemma_eval.types import Box, ImageSpan

CACHE_BYTES = 1 << 30  # of embeddings: some 800 images for the 4B model
TOGETHER = 4  # images in one forward of the vision tower
DECODERS = 4  # threads; Pillow decodes and resizes outside Python's lock
AHEAD = 8  # images that are decoded and not yet encoded, 10 MB each


@dataclass(frozen=True)
class ImageEmbeddings:
    """What the ids from `FIRST_IMAGE` on stand for. `count`: soft tokens of an image; `features`: by number, [count, hidden size] each."""

    count: int
    features: Callable[[list[int]], list[torch.Tensor]]

    def embed(self, model: Any, ids: torch.Tensor) -> torch.Tensor:
        """Input embeddings [..., tokens, hidden size] of `ids` [..., tokens], which hold all soft tokens of every image."""
        table = model.get_input_embeddings()
        shown = ids >= FIRST_IMAGE
        embeddings: torch.Tensor = table(ids.masked_fill(shown, 0).to(table.weight.device))
        if shown.any():
            numbers = ids[shown].view(-1, self.count)[:, 0] - FIRST_IMAGE
            embeddings[shown.to(embeddings.device)] = torch.cat(self.features(numbers.tolist())).to(embeddings)
        return embeddings


class ImageEncoder:
    """A model's vision tower and projector. Embeddings are kept by content, those used last up to `CACHE_BYTES`."""

    def __init__(self, model: Any, processor: ImageProcessor) -> None:
        self._model = model
        self._processor = processor
        self._known: OrderedDict[tuple[str, Box | None], torch.Tensor] = OrderedDict()
        self._bytes = 0
        self._decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")

    def images(self, spans: Sequence[ImageSpan]) -> ImageEmbeddings:
        """The embeddings of numbered requests. `spans`: the distinct images, by number."""
        return ImageEmbeddings(spans[0].end - spans[0].start, lambda numbers: self.features([spans[number] for number in numbers]))

    def features(self, spans: Sequence[ImageSpan]) -> list[torch.Tensor]:
        """Embeddings of each image, [soft tokens, hidden size]."""
        found = {span.content: self._known[span.content] for span in spans if span.content in self._known}
        new = {span.content: span for span in spans if span.content not in found}
        decoded = self._decoded(new.values())
        encoded: list[torch.Tensor] = []
        while group := list(islice(decoded, TOGETHER)):
            encoded += self._encode(group)
        found |= zip(new, encoded, strict=True)
        for content, embeddings in found.items():
            self._remember(content, embeddings)
        return [found[span.content] for span in spans]

    def _decoded(self, spans: Iterable[ImageSpan]) -> Iterator[torch.Tensor]:
        """Pixel values of each, [1, 3, height, width], in order. The next few are decoded while these are encoded."""
        ahead: deque[Future[torch.Tensor]] = deque()
        for span in spans:
            ahead.append(self._decoders.submit(self._processor.read, span))
            if len(ahead) > AHEAD:
                yield ahead.popleft().result()
        for future in ahead:
            yield future.result()

    @torch.inference_mode()
    def _encode(self, pixel_values: list[torch.Tensor]) -> list[torch.Tensor]:
        encoded = self._model.get_image_features(torch.cat(pixel_values).to(self._model.device, self._model.dtype)).pooler_output
        return [one.clone() for one in encoded.cpu()]

    def _remember(self, content: tuple[str, Box | None], embeddings: torch.Tensor) -> None:
        """Keep these embeddings, and drop those whose last use is longest ago."""
        if content not in self._known:
            self._bytes += embeddings.nbytes
        self._known[content] = embeddings
        self._known.move_to_end(content)
        while self._bytes > CACHE_BYTES:
            self._bytes -= self._known.popitem(last=False)[1].nbytes
