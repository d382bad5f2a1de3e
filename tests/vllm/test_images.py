"""Images through the vLLM backend. Its CPU attention is causal throughout, so transformers is made to attend like that here."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gemma_eval.backends import Answer
from gemma_eval.backends.image_processor import ImageProcessor
from gemma_eval.backends.vllm import VllmBackend
from gemma_eval.backends.vllm.engine import Engine
from gemma_eval.checkpoint.configuration import read_config
from gemma_eval.checkpoint.resolve import resolve
from gemma_eval.doctor import measure as doctor
from gemma_eval.doctor.findings import examine
from gemma_eval.doctor.prompts import PROMPTS
from gemma_eval.errors import ConfigError, PromptError, UnansweredError
from gemma_eval.prompt.renderer import ImageTokens, Renderer
from gemma_eval.settings import Dtype, VllmConfig
from gemma_eval.types import (  # fmt: skip
    Continuation,
    Encoded,
    EncodedGenerate,
    EncodedScore,
    Generate,
    GenerateResponse,
    Image,
    Prompt,
    Score,
    ScoreResponse,
)
from tests.settings import compose
from tests.vllm.command import start
from tools.tiny_vision import picture

pytestmark = [pytest.mark.vllm, pytest.mark.model]

SHOTS = ((picture(9), "Nine.\n\n"), (picture(8), "Eight.\n\n"))
CHOICES = (Continuation(" yes"), Continuation(" no, not at all"))
REQUESTS = [
    *(Generate(Prompt((picture(i, 300, 200), f"What is {i}?\nAnswer:"), SHOTS), (), 6) for i in range(3)),
    *(Score(Prompt((picture(i), "Which?\nAnswer:"), SHOTS), CHOICES) for i in range(2)),
    Generate(Prompt(("Hello there",)), (), 6),
]


@pytest.fixture(scope="module")
def backend(tiny_vision: Path) -> Iterator[VllmBackend]:
    try:
        importlib.import_module("torchvision")
    except Exception as error:
        pytest.skip(f"vLLM's image models need torchvision, which cannot be imported here: {error}")
    settings = VllmConfig(dtype=Dtype.float32, enforce_eager=True, max_model_len=4096, engine_args={"kv_cache_memory_bytes": 1 << 28})
    made = VllmBackend(settings, resolve(compose("model=local", f"model.path={tiny_vision}")))
    yield made
    made.close()


def encoded(tiny_vision: Path, backend: VllmBackend, requests: list[Any]) -> list[Encoded]:
    renderer = Renderer(backend.tokenizer, context_length=4096, image_tokens=ImageTokens.of(read_config(tiny_vision)))
    found = renderer.encode(requests)
    return [ids for ids in found if not isinstance(ids, PromptError)]


def by_index(backend: VllmBackend, requests: list[Encoded]) -> dict[int, Answer]:
    return {answer.index: answer for answer in backend.answer(requests)}


def test_attention_that_cannot_express_images_is_refused(tiny_vision: Path, backend: VllmBackend) -> None:
    with pytest.raises(ConfigError, match="backend=transformers"):
        by_index(backend, encoded(tiny_vision, backend, REQUESTS[:1]))


def test_answers_equal_those_of_transformers(tiny_vision: Path, backend: VllmBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Gemma3ForConditionalGeneration

    monkeypatch.setattr(Engine, "check_images", lambda engine: None)
    requests = encoded(tiny_vision, backend, REQUESTS)
    found = by_index(backend, requests)
    model = Gemma3ForConditionalGeneration.from_pretrained(tiny_vision, dtype=torch.float32, attn_implementation="eager").eval()
    processor = ImageProcessor.of(tiny_vision)

    @torch.inference_mode()
    def logprobs(ids: list[int], request: Encoded) -> torch.Tensor:
        pixel_values = torch.cat([processor.read(span) for span in request.images]) if request.images else None
        return model(input_ids=torch.tensor([ids]), pixel_values=pixel_values).logits[0].log_softmax(-1)  # type: ignore[no-any-return]

    for index, request in enumerate(requests):
        response = found[index].response
        if isinstance(request, EncodedGenerate):
            ids = request.prompt.tolist()
            for _ in range(6):
                ids.append(int(logprobs(ids, request)[-1].argmax()))
            assert isinstance(response, GenerateResponse)
            assert response.texts[0] == backend.tokenizer.decode(ids[len(request.prompt) :])
        else:
            assert isinstance(request, EncodedScore) and isinstance(response, ScoreResponse)
            for sequence, start, found_logprob in zip(request.sequences, request.starts, response.logprobs, strict=True):
                rows = logprobs(sequence.tolist(), request)
                expected = sum(float(rows[at - 1, sequence[at]]) for at in range(start, len(sequence)))
                assert found_logprob == pytest.approx(expected, abs=1e-3)
    computed = sum(answer.usage.computed for answer in found.values())
    assert computed < 0.5 * sum(answer.usage.prompt for answer in found.values()), "exemplars with their images are computed once"


def test_an_image_that_does_not_decode_fails_by_itself(tiny_vision: Path, backend: VllmBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "check_images", lambda engine: None)
    broken = Image(picture(3, 300, 200).data[:-100])
    requests = encoded(tiny_vision, backend, [REQUESTS[0], Generate(Prompt((broken, "What?")), (), 2), REQUESTS[5]])
    answers: dict[int, Answer] = {}
    with pytest.raises(UnansweredError) as error:
        for answer in backend.answer(requests):
            answers[answer.index] = answer
    assert sorted(answers) == [0, 2] and list(error.value.reasons) == [1] and "cannot be decoded" in error.value.reasons[1]


def test_the_doctor_tells_refused_images_from_wrong_ones(tiny_vision: Path, backend: VllmBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROMPTS", {"mixed": PROMPTS["mixed"]})
    monkeypatch.setattr(doctor, "SCORED", 16)
    config = compose("model=local", f"model.path={tiny_vision}", "backend.dtype=float32", "backend.device=cpu")
    exact = doctor.measure(config)
    monkeypatch.setattr(doctor, "open_backend", lambda settings, checkpoint: backend)

    def wrong() -> dict[str, str]:
        return {finding.name: finding.detail for finding in examine(doctor.measure(config), exact) if not finding.healthy}

    refused = wrong()
    assert list(refused) == ["image: answered"] and "backend=transformers" in refused["image: answered"]
    monkeypatch.setattr(Engine, "check_images", lambda engine: None)
    assert "image: same log-probabilities" in wrong().keys() <= {"image: same log-probabilities", "image: same greedy text"}


def test_the_doctor_names_what_the_image_model_lacks(tiny_vision: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['torchvision'] = None\n")  # as where it is not installed
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    process = start("doctor", "model=local", f"model.path={tiny_vision}", "backend=vllm", "backend.dtype=float32")
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 4, printed
    assert "Gemma3ForConditionalGeneration cannot be imported" in " ".join(printed.split()) and printed.endswith("not healthy\n")
