"""NaN and infinity in the logits: the request that has them is named, and those beside it are answered."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from gemma_eval.backends import Answer, Backend
from gemma_eval.backends.possible import possible
from gemma_eval.backends.transformers import head
from gemma_eval.errors import UnansweredError
from gemma_eval.run.model import open_model
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, Prompt
from tests.settings import compose

pytestmark = pytest.mark.model
POISON = 77  # a token whose embedding is NaN


@pytest.fixture(scope="module")
def poisoned(tiny_gemma: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that reads every token but one."""
    folder = tmp_path_factory.mktemp("poisoned")
    shutil.copytree(tiny_gemma, folder, dirs_exist_ok=True)
    model = AutoModelForCausalLM.from_pretrained(tiny_gemma)
    weight = model.get_input_embeddings().weight
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(weight.detach().clone())
    weight.data[POISON] = torch.nan
    model.save_pretrained(folder)
    return folder


def opened(folder: Path, *settings: str) -> Backend:
    return open_model(compose("model=local", f"model.path={folder}", "backend.dtype=float32", "backend.device=cpu", *settings)).backend


def score(*prompt: int) -> Encoded:
    return EncodedScore(tuple(np.array([*prompt, *end], np.int32) for end in ([30], [31, 32])), (len(prompt),) * 2)


def text(*prompt: int, **settings: Any) -> Encoded:
    return EncodedGenerate(np.array(prompt, np.int32), Generate(Prompt(("",)), (), 4, **settings))


REQUESTS = [
    score(2, 10, 11, 12), score(2, 10, POISON, 12), score(2, 10, 11, 13), text(2, 10, 11), text(2, 10, POISON), text(2, POISON, 10, 11),
    text(2, 10, POISON, temperature=0.7, samples=3), text(2, 10, 14, temperature=0.7, samples=3),
]  # fmt: skip
SOUND = {0, 2, 3, 7}


@pytest.mark.parametrize("share", [True, False])
def test_a_request_with_nan_is_named_and_those_packed_beside_it_are_answered(poisoned: Path, share: bool) -> None:
    backend = opened(poisoned, f"backend.share_prefixes={share}")
    found: dict[int, Answer] = {}
    with pytest.raises(UnansweredError) as refused:
        for answer in possible(REQUESTS, backend.answer(REQUESTS)):
            found[answer.index] = answer
    assert set(found) == SOUND and set(refused.value.reasons) == set(range(len(REQUESTS))) - SOUND
    assert refused.value.reasons[4] == "the logits of token 1 of the text are NaN or infinite"
    alone = [answer.response for index in sorted(SOUND) for answer in backend.answer([REQUESTS[index]])]
    texts = [getattr(response, "texts", ()) for response in alone]
    assert texts == [getattr(found[index].response, "texts", ()) for index in sorted(SOUND)]


def test_a_text_that_is_streamed_ends_with_the_reason(poisoned: Path) -> None:
    backend: Any = opened(poisoned)
    assert list(backend.stream(REQUESTS[3]))
    with pytest.raises(UnansweredError, match="token 1 of the text"):
        list(backend.stream(REQUESTS[4]))


class Logits:
    """A head that gives the hidden states as logits."""

    class config:  # noqa: N801
        @staticmethod
        def get_text_config() -> None: ...

    def __init__(self, entries: int, dtype: torch.dtype) -> None:
        self.head = torch.nn.Linear(entries, entries, bias=False, dtype=dtype)
        self.head.weight.data = torch.eye(entries, dtype=dtype)

    def get_output_embeddings(self) -> torch.nn.Linear:
        return self.head


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_one_logit_that_is_not_finite_shows_wherever_it_stands(dtype: torch.dtype, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any block of the vocabulary, though its token is neither scored nor the likeliest."""
    monkeypatch.setattr(head, "BLOCK", 8 * head.ROUND)
    hidden = torch.randn(16, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(dtype)
    sound = head.likeliest(Logits(24, dtype), hidden)
    assert sound.tolist() == hidden.argmax(dim=1).tolist()
    for place in range(24):
        broken = hidden.clone()
        model = Logits(24, dtype)
        model.head.weight.data[place, :] = value
        assert head.likeliest(model, broken).tolist() == [head.UNDEFINED] * 16
        logprobs, _ = head.token_logprobs(model, broken, torch.arange(16), torch.full((16,), (place + 3) % 24))
        assert not logprobs.isfinite().any()
