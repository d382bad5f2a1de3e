"""ImageProcessor, token ids and token types are those of transformers' own Gemma3Processor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gemma_eval.backends.image_processor import ImageProcessor
from gemma_eval.backends.transformers.image_embeddings import ImageEncoder
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import PromptError
from gemma_eval.plan.tree import FIRST_IMAGE, number_images
from gemma_eval.prompt.images import decode
from gemma_eval.prompt.renderer import ImageTokens, Renderer
from gemma_eval.settings import ImagesConfig, TaskImages
from gemma_eval.store.keys import request_key
from gemma_eval.types import Continuation, EncodedGenerate, EncodedScore, Generate, Image, Parts, Prompt, Score
from tools.tiny_vision import picture

SIZES = [(64, 48), (31, 97), (900, 300), (300, 1100), (896, 896)]
TEXTS = ["Question: how many?\nAnswer: 4\n\n", " ", "\n", "What is <this>\n\n\n", "Ωmega 日本 ", "x\n\n", ""]
PAN = ImagesConfig(pan_and_scan=True)


@pytest.fixture(scope="module")
def processor(tiny_vision: Path) -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(tiny_vision, backend="pil")


def renderer(folder: Path, processor: Any, images: ImagesConfig | None = None, **settings: Any) -> Renderer:
    tokens = ImageTokens.of(Checkpoint(folder, {}, 0).config)
    return Renderer(
        processor.tokenizer, context_length=settings.pop("context_length", 10**6), image_tokens=tokens, images=images, **settings
    )


def parts(count: int) -> Parts:
    """Texts of all kinds around `count` images, some of which stand side by side."""
    made: list[str | Image] = ["Look:"]
    for i in range(count):
        made += [picture(i, *SIZES[i % len(SIZES)]), TEXTS[i % len(TEXTS)]]
    return (*made, "Say.\nAnswer:")


def images_of(prompt: Parts) -> list[Image]:
    return [part for part in prompt if isinstance(part, Image)]


def theirs(processor: Any, prompt: Parts, **settings: Any) -> Any:
    """What transformers makes of the prompt."""
    text = "".join("<start_of_image>" if isinstance(part, Image) else part for part in prompt)
    pan = {"pan_and_scan_min_crop_size": 256, "pan_and_scan_max_num_crops": 4, "pan_and_scan_min_ratio_to_activate": 1.2}
    return processor(text=text, **settings, **pan, images=[decode(image) for image in images_of(prompt)] or None, return_tensors="pt")


class Eyes:
    """A vision tower that keeps what it is shown."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def get_image_features(self, pixels: torch.Tensor) -> Any:
        self.seen += pixels
        return SimpleNamespace(pooler_output=torch.zeros(len(pixels), 256, 8))


@pytest.mark.parametrize(("count", "images"), [(0, None), (1, None), (5, None), (30, None), (0, PAN), (5, PAN)])
def test_ids_types_and_pixels(tiny_vision: Path, processor: Any, count: int, images: ImagesConfig | None) -> None:
    prompt = parts(count)
    encoded = renderer(tiny_vision, processor, images).encode([Generate(Prompt(prompt), (), 5)])[0]
    assert isinstance(encoded, EncodedGenerate)
    expected = theirs(processor, prompt, do_pan_and_scan=images is PAN)
    assert encoded.prompt.tolist() == expected["input_ids"][0].tolist()
    numbered, spans = number_images([encoded])
    assert (numbered[0].prompt >= FIRST_IMAGE).astype(int).tolist() == expected["token_type_ids"][0].tolist()
    eyes = Eyes()
    ImageEncoder(eyes, ImageProcessor(processor.image_processor)).features(spans)
    assert len(eyes.seen) == len(encoded.images) == len(expected.get("pixel_values", ()))
    for ours, other in zip(eyes.seen, expected.get("pixel_values", ()), strict=True):
        assert torch.equal(ours, other)
    if images and count:
        assert len(encoded.images) > count


def test_each_prompt_has_its_own_settings(tiny_vision: Path, processor: Any) -> None:
    """Within one run: with Pan & Scan, without, and as the run says. The key follows what the model is shown, and nothing else."""
    shown = parts(5)
    prompts = [Prompt(shown, images=own) for own in (TaskImages(pan_and_scan=True), TaskImages(pan_and_scan=False), TaskImages(), None)]
    found = renderer(tiny_vision, processor).encode([Generate(prompt, (), 5) for prompt in prompts])
    whole = renderer(tiny_vision, processor, PAN).encode([Generate(Prompt(shown), (), 5)])
    cut, *plain = [request_key({}, encoded) for encoded in [*found, *whole] if not isinstance(encoded, PromptError)]
    assert plain.pop() == cut and len(set(plain)) == 1 and cut not in plain


def test_chat(tiny_vision: Path, processor: Any) -> None:
    prompt: Parts = ("First ", picture(0), "then", picture(1), "Which is red?")
    encoded = renderer(tiny_vision, processor, chat=True).encode([Generate(Prompt(prompt), (), 5)])[0]
    assert isinstance(encoded, EncodedGenerate)
    content = [{"type": "image"} if isinstance(part, Image) else {"type": "text", "text": part} for part in prompt]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    expected = processor(text=text, images=[decode(image) for image in images_of(prompt)], add_special_tokens=False)
    assert encoded.prompt.tolist() == expected["input_ids"][0]
    assert (encoded.prompt == 2).sum() == 1


def test_text_never_becomes_an_image(tiny_vision: Path, processor: Any) -> None:
    prompt = Prompt(("A <start_of_image> and <image_soft_token>", picture(0), "?"))
    for chat in (False, True):
        encoded = renderer(tiny_vision, processor, chat=chat).encode([Generate(prompt, (), 5)])[0]
        assert isinstance(encoded, EncodedGenerate)
        assert [(span.start, span.end) for span in encoded.images] == [tuple(np.flatnonzero(encoded.prompt == 262144)[[0, -1]] + [0, 1])]
        assert (encoded.prompt == 255999).sum() == 1


def test_continuations_share_the_images_of_their_prompt(tiny_vision: Path, processor: Any) -> None:
    shots = tuple(parts(1) for _ in range(2))
    request = Score(Prompt((picture(3), "Q:"), shots), (Continuation(" yes"), Continuation(" not at all", given=" well")))
    encoded = renderer(tiny_vision, processor).encode([request])[0]
    assert isinstance(encoded, EncodedScore)
    for sequence, continuation in zip(encoded.sequences, request.continuations, strict=True):
        whole = (*request.prompt.parts, continuation.given + continuation.text)
        assert sequence.tolist() == theirs(processor, whole)["input_ids"][0].tolist()
        assert all((sequence[span.start : span.end] == 262144).all() for span in encoded.images)


@pytest.mark.parametrize(("limits", "kept"), [({"context_length": 2 * 280}, 1), ({"images": ImagesConfig(limit=3)}, 2)])
def test_too_much_drops_exemplars_with_their_images(tiny_vision: Path, processor: Any, limits: Any, kept: int) -> None:
    shots = tuple((picture(i), f"Answer: {i}\n\n") for i in range(4))
    encoded = renderer(tiny_vision, processor, **limits).encode([Generate(Prompt((picture(9), "Answer:"), shots), (), 5)])[0]
    assert isinstance(encoded, EncodedGenerate)
    assert encoded.dropped_shots == 4 - kept
    assert [span.image for span in encoded.images] == [*images_of(sum(shots[:kept], ())), picture(9)]


def test_too_much_without_exemplars_is_an_error(tiny_vision: Path, processor: Any) -> None:
    request = Generate(Prompt((picture(0), picture(1), "?")), (), 5)
    for limits, why in [({"context_length": 300}, "too long"), ({"images": ImagesConfig(limit=1)}, "2 images and images.limit=1")]:
        refused = renderer(tiny_vision, processor, **limits).encode([request])[0]  # type: ignore[arg-type]
        assert isinstance(refused, PromptError) and why in str(refused)
    allowed = replace(request, prompt=replace(request.prompt, images=TaskImages(limit=2)))
    assert not isinstance(renderer(tiny_vision, processor, ImagesConfig(limit=1)).encode([allowed])[0], PromptError)


def test_one_broken_image_is_one_error(tiny_vision: Path, processor: Any) -> None:
    requests = [Generate(Prompt((image, "?")), (), 5) for image in (picture(0), Image(b"no image"), picture(1))]
    encoded = renderer(tiny_vision, processor).encode(requests)
    assert [isinstance(item, PromptError) for item in encoded] == [False, True, False]
