"""Images in the prefix tree: answers equal those of transformers on full prompts, each image is encoded once, and failures stay alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import AttentionInterface, AutoProcessor, AutoTokenizer, Gemma3ForConditionalGeneration

from gemma_eval.backends.image_processor import ImageProcessor
from gemma_eval.backends.transformers import TransformersBackend, load
from gemma_eval.backends.transformers import image_embeddings as vision
from gemma_eval.backends.transformers.image_embeddings import ImageEncoder
from gemma_eval.backends.transformers.self_check import attends_both_ways, self_check
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError, PromptError, UnansweredError
from gemma_eval.prompt.images import decode
from gemma_eval.prompt.renderer import ImageTokens, Renderer
from gemma_eval.settings import Dtype, TransformersConfig
from gemma_eval.types import (
    Continuation,
    Encoded,
    EncodedScore,
    Generate,
    GenerateResponse,
    Image,
    ImageSpan,
    Parts,
    Prompt,
    Request,
    Score,
    ScoreResponse,
)
from tests.bench.image_memory import Photo, resident
from tools.tiny_vision import WINDOW, encoded, picture

CHOICES = (Continuation(" red"), Continuation(" two of them"))


def shot(*images: int) -> Parts:
    return (*(picture(i) for i in images), f"How many colours?\nAnswer: {len(images)}\n\n")


def question(text: str, *images: int) -> Parts:
    return (*(picture(i) for i in images), f"{text}\nAnswer:")


EXEMPLARS = (shot(0), shot(1, 2), shot(), shot(0))
PROMPTS = [
    Prompt(question("Which?", 3), EXEMPLARS),
    Prompt(question("How many shapes?", 3), EXEMPLARS),  # another question on the same image
    Prompt(question("Which?", 4), EXEMPLARS),
    Prompt(question("Which of them?", 4, 1, 3), EXEMPLARS),
    Prompt(question("Without a picture?"), EXEMPLARS),
    Prompt(question("Which?", 3)),
    Prompt(question("No picture at all?")),
]
REQUESTS: list[Request] = [*(Score(prompt, CHOICES) for prompt in PROMPTS), *(Generate(prompt, (), 6) for prompt in PROMPTS)]


def renderer(folder: Path) -> Renderer:
    return Renderer(
        AutoTokenizer.from_pretrained(folder), context_length=16384, image_tokens=ImageTokens.of(Checkpoint(folder, {}, 0).config)
    )


def ready(folder: Path, requests: list[Request]) -> list[Encoded]:
    found = renderer(folder).encode(requests)
    assert not any(isinstance(item, PromptError) for item in found)
    return found  # type: ignore[return-value]


def backend_for(folder: Path, **settings: Any) -> TransformersBackend:
    return TransformersBackend(TransformersConfig(dtype=Dtype.float32, device="cpu", **settings), Checkpoint(folder, {}, 16384))


@pytest.fixture(scope="module")
def reference(tiny_vision: Path) -> list[ScoreResponse | str]:
    """Answers of transformers alone: its processor, its model with eager attention, whole prompts, images encoded anew for each."""
    processor = AutoProcessor.from_pretrained(tiny_vision, backend="pil")
    model = Gemma3ForConditionalGeneration.from_pretrained(tiny_vision, dtype=torch.float32, attn_implementation="eager").eval()

    def inputs(parts: Parts) -> Any:
        image_embeddings = [decode(part) for part in parts if isinstance(part, Image)]
        text = "".join(part if isinstance(part, str) else "<start_of_image>" for part in parts)
        return processor(text=text, images=image_embeddings or None, return_tensors="pt")

    @torch.inference_mode()
    def answer(request: Request, item: Encoded) -> ScoreResponse | str:
        if isinstance(request, Generate):
            read = inputs(request.prompt.parts)
            ids = model.generate(**read, max_new_tokens=request.max_tokens, do_sample=False)[0, read["input_ids"].shape[1] :]
            return str(processor.tokenizer.decode(ids, skip_special_tokens=True))
        assert isinstance(item, EncodedScore)
        sums, greedy = [], []
        for continuation, start in zip(request.continuations, item.starts, strict=True):
            read = inputs((*request.prompt.parts, continuation.text))
            targets = read["input_ids"][0, start:]
            logprobs = model(**read, logits_to_keep=len(targets) + 1).logits[0, :-1].double().log_softmax(-1)
            sums.append(float(logprobs.gather(1, targets[:, None]).sum()))
            greedy.append(bool((logprobs.argmax(-1) == targets).all()))
        return ScoreResponse(tuple(sums), tuple(len(s) - b for s, b in zip(item.sequences, item.starts, strict=True)), tuple(greedy))

    return [answer(request, item) for request, item in zip(REQUESTS, ready(tiny_vision, REQUESTS), strict=True)]


@pytest.mark.parametrize(
    "settings",
    [
        {"pass_tokens": 4096},
        {"pass_tokens": 600},  # exemplars in several passes
        {"pass_tokens": 100, "cache_tokens": 100},  # less than an image
        {"share_prefixes": False},
    ],
    ids=str,
)
def test_answers_are_those_of_transformers(tiny_vision: Path, reference: list[ScoreResponse | str], settings: dict[str, Any]) -> None:
    asked = ready(tiny_vision, REQUESTS)
    assert max(len(item.prompt) for item in asked) > 10 * WINDOW
    order = np.random.default_rng(0).permutation(len(asked))
    found = {int(order[answer.index]): answer for answer in backend_for(tiny_vision, **settings).answer([asked[i] for i in order])}
    assert sorted(found) == list(range(len(asked)))
    for index, expected in enumerate(reference):
        response = found[index].response
        if isinstance(expected, ScoreResponse):
            assert isinstance(response, ScoreResponse)
            assert response.logprobs == pytest.approx(expected.logprobs, abs=1e-3, rel=2e-5)
            assert (response.lengths, response.greedy) == (expected.lengths, expected.greedy)
        else:
            assert isinstance(response, GenerateResponse)
            assert response.texts == (expected,)


def test_the_image_matters(tiny_vision: Path, reference: list[ScoreResponse | str]) -> None:
    """The random model is not blind: another image with the same words gets another answer."""
    first, other = reference[0], reference[2]
    assert isinstance(first, ScoreResponse) and isinstance(other, ScoreResponse)
    assert abs(first.logprobs[0] - other.logprobs[0]) > 0.01


def test_exemplars_are_computed_once_and_images_encoded_once(tiny_vision: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = backend_for(tiny_vision)
    encoded_images: list[int] = []
    encode = engine.model.get_image_features

    def counted(pixels: torch.Tensor) -> Any:
        encoded_images.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(engine.model, "get_image_features", counted)
    asked = ready(tiny_vision, [Score(prompt, CHOICES) for prompt in PROMPTS[:3]])
    answers = list(engine.answer(asked))
    assert sum(encoded_images) == 5  # images 0 to 4
    list(engine.answer(asked[:1]))
    assert sum(encoded_images) == 5
    computed = sum(answer.usage.computed for answer in answers)
    shared = len(asked[0].prompt) - 300  # what all three share: the exemplars
    assert computed < shared + 3 * 320 < sum(answer.usage.prompt for answer in answers) / 4


def broken(seed: int) -> Image:
    """An image with a sound header and only half of its pixels."""
    noise = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = encoded(PIL.Image.fromarray(noise), "JPEG").data
    return Image(whole[: len(whole) // 2])


@pytest.mark.parametrize("share", [True, False])
def test_an_image_that_does_not_decode_fails_alone(tiny_vision: Path, share: bool) -> None:
    shots = EXEMPLARS[:1]
    sound = [Score(Prompt(question("Which?", i), shots), CHOICES) for i in (3, 4)]
    requests: list[Request] = [
        sound[0],
        Score(Prompt((broken(0), "Which?"), shots), CHOICES),
        sound[1],
        Generate(Prompt((broken(1), "?")), (), 3),
    ]
    answers, engine = {}, backend_for(tiny_vision, share_prefixes=share)
    with pytest.raises(UnansweredError, match=r"2 requests cannot be answered; an image cannot be decoded: .*truncated") as raised:
        for answer in engine.answer(ready(tiny_vision, requests)):
            answers[answer.index] = answer.response
    assert sorted(raised.value.reasons) == [1, 3]
    alone = {answer.index: answer.response for answer in engine.answer(ready(tiny_vision, [*sound]))}
    assert sorted(answers) == [0, 2]
    for index, other in ((0, 0), (2, 1)):
        assert answers[index].logprobs == pytest.approx(alone[other].logprobs, abs=1e-3)  # type: ignore[union-attr]


def causal(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: Any = None, **kwargs: Any) -> Any:
    """As flash attention without masks: every token sees those before it."""
    is_causal = module.is_causal
    attended = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=is_causal, scale=scaling, enable_gqa=True)
    return attended.transpose(1, 2).contiguous(), None


def test_an_attention_that_cannot_express_images_is_refused(tiny_vision: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    AttentionInterface.register("causal_alone", causal)
    monkeypatch.setattr(load, "TREE_ATTENTION", "causal_alone")
    engine = backend_for(tiny_vision)
    with pytest.raises(ConfigError, match=r"'causal_alone'.*lets the tokens of an image see only what stands before"):
        list(engine.answer(ready(tiny_vision, [REQUESTS[0]])))
    assert len(list(engine.answer(ready(tiny_vision, [REQUESTS[6]])))) == 1  # texts are none of its concern


def test_the_checks_know_right_from_wrong(tiny_vision: Path) -> None:
    model = backend_for(tiny_vision).model
    assert attends_both_ways(model)
    assert self_check(model) is None


def test_a_text_model_refuses_images(tiny_gemma: Path) -> None:
    refused = renderer(tiny_gemma).encode([REQUESTS[0], REQUESTS[6]])
    assert isinstance(refused[0], PromptError) and "reads text alone" in str(refused[0])
    assert isinstance(refused[1], EncodedScore)


# -- memory -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="memory is read from /proc")
def test_memory_is_bounded_whatever_the_number_of_images(tiny_vision: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty photos, twenty kept. `tests.bench.image_memory` runs two thousand."""
    monkeypatch.setattr(vision, "CACHE_BYTES", 20 * 256 * 2560 * 4)  # twenty images of the 4B model in float32
    peak = [0]

    class Eyes:
        device, dtype = torch.device("cpu"), torch.float32

        def get_image_features(self, pixels: torch.Tensor) -> Any:
            peak[0] = max(peak[0], resident())
            return type("Output", (), {"pooler_output": torch.ones(len(pixels), 256, 2560)})

    eyes = ImageEncoder(Eyes(), ImageProcessor.of(tiny_vision))
    before = resident()
    for first in range(0, 60, 20):
        eyes.features([ImageSpan(Photo(number), 0, 256) for number in range(first, first + 20)])
    assert peak[0] - before < 1 << 30
    assert sum(tensor.nbytes for tensor in eyes._known.values()) <= vision.CACHE_BYTES
