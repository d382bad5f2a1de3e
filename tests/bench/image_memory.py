"""Memory of a run over many different four-megapixel images, with the tiny image model: python -m tests.bench.image_memory

Every image is read from its file when it is asked for, decoded whole, resized and encoded; the answers stream out and are dropped.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL.Image

from gemma_eval.backends.transformers import TransformersBackend
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.errors import PromptError
from gemma_eval.prompt.renderer import ImageTokens, Renderer
from gemma_eval.settings import Dtype, TransformersConfig
from gemma_eval.types import Generate, Image, Prompt
from tests.settings import compose
from tools import tiny_vision


class Photo(Image):
    """A picture of four megapixels, each number its own, that is made when it is asked for, as one is read from a dataset's file."""

    _shades = np.add.outer(np.arange(2000), np.arange(2000)) % 256
    _content = tiny_vision.encoded(PIL.Image.fromarray(_shades.astype(np.uint8)).convert("RGB"), "JPEG").data

    def __init__(self, number: int) -> None:
        object.__setattr__(self, "number", number)

    @property
    def data(self) -> bytes:
        return self._content + self.number.to_bytes(4, "big")  # type: ignore[attr-defined, no-any-return]


def resident() -> int:
    """Bytes of memory in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    count = parser.parse_args().images
    folder = Path(tempfile.mkdtemp())
    tiny_vision.save(folder, tokenizer_from=resolve(compose("model=270m", "weights=gguf_q4_k_m")).path)
    checkpoint = Checkpoint(folder, {}, 4096)
    backend = TransformersBackend(TransformersConfig(dtype=Dtype.float32, device="cpu"), checkpoint)
    renderer = Renderer(backend.tokenizer, context_length=4096, image_tokens=ImageTokens.of(checkpoint.config))
    assert backend.model
    before = peak = resident()
    started = time.monotonic()
    encoded = renderer.encode([Generate(Prompt((Photo(number), "What is it?\nAnswer:")), ("\n",), 1) for number in range(count)])
    requests = [item for item in encoded if not isinstance(item, PromptError)]
    print(f"{len(requests)} prompts in {time.monotonic() - started:.0f} s")
    for done, _ in enumerate(backend.answer(requests), start=1):
        peak = max(peak, resident())
        if done % 100 == 0:
            print(
                f"{done} answers, {time.monotonic() - started:.0f} s, at most {(peak - before) / 2**30:.2f} GiB above the model", flush=True
            )


if __name__ == "__main__":
    main()
