"""The start-up check's findings on plain numbers, and what it expects of a model; `tests/unit/run/test_checking.py` runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from gemma_eval.doctor.findings import likely, one_bos, readable
from gemma_eval.doctor.measure import adds_bos, expected_bos
from gemma_eval.doctor.startup import StartUp
from gemma_eval.doctor.weights import why_not_finite
from gemma_eval.errors import ModelError
from gemma_eval.run.model import open_model, open_renderer
from gemma_eval.types import EncodedGenerate, Generate, Prompt
from tests.settings import compose

IDS = st.lists(st.integers(0, 4), max_size=5)


@given(st.lists(IDS, min_size=1, max_size=5))
def test_one_bos_means_one_and_first_in_every_prompt(prompts: list[list[int]]) -> None:
    finding = one_bos((np.array(ids, np.int32) for ids in prompts), 2)
    assert finding.healthy is all(ids[:1] == [2] and ids.count(2) == 1 for ids in prompts)
    assert bool(finding.refusal) is not finding.healthy
    assert one_bos([np.array(ids, np.int32) for ids in prompts], None).healthy is None


@given(st.lists(st.floats(width=32), min_size=2, max_size=9))
def test_log_probabilities_are_finite_at_most_0_and_differ(values: list[float]) -> None:
    finding = likely("some", values)
    possible = all(-np.inf < value <= 1e-3 for value in values)
    assert finding.healthy is (possible and max(values) - min(values) >= 1e-6)
    assert bool(finding.refusal) is not finding.healthy


@pytest.mark.parametrize(
    ("texts", "faults", "healthy", "said"),
    [
        ({"a": "x", "b": ""}, {}, True, "'x', ''"),
        ({"a": " ", "b": "\n"}, {}, False, "all are empty"),
        ({"a": "the the", "b": "the the"}, {}, False, "the same after each prompt"),
        ({"a": "the the"}, {}, True, "'the the'"),
        ({"a": "x", "b": ""}, {"b": "NaN"}, False, "NaN"),
    ],
)
def test_texts(texts: dict[str, str], faults: dict[str, str], healthy: bool, said: str) -> None:
    finding = readable(texts, faults)
    assert finding.healthy is healthy and said in finding.detail
    assert bool(finding.refusal) is bool(faults), "a model that repeats itself may be evaluated"


class Tokenizer:
    """Puts `leading` before each text, and calls `bos_token_id` its BOS."""

    def __init__(self, leading: list[int], bos_token_id: int | None, bos_token: str | None) -> None:
        self.leading, self.bos_token_id, self.bos_token = leading, bos_token_id, bos_token

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [*(self.leading if add_special_tokens else []), 7]}

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [f"<{token}>" for token in ids]


GEMMA = {"model_type": "gemma3_text"}


@pytest.mark.parametrize(
    ("leading", "id", "name", "config", "bos", "added"),
    [
        ([2], 2, "<bos>", GEMMA, 2, True),
        ([], 2, "<bos>", GEMMA, 2, False),
        ([], None, None, GEMMA, 2, False),
        ([], None, None, {"model_type": "gemma3", "text_config": {"bos_token_id": 5}}, 5, False),
        ([2], None, None, GEMMA, 2, True),
        ([1], 1, "<s>", {"model_type": "llama"}, 1, True),
        ([], 0, "<|im_start|>", {"model_type": "llama"}, None, True),
        ([], None, None, {}, None, True),
    ],
)
def test_a_gemma_has_a_bos_whatever_its_tokenizer_says(
    leading: list[int], id: int | None, name: str | None, config: dict[str, Any], bos: int | None, added: bool
) -> None:
    tokenizer = Tokenizer(leading, id, name)
    assert expected_bos(tokenizer, config) == bos and adds_bos(tokenizer, bos) is added


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_the_weight_that_is_not_finite_is_found(tmp_path: Path, dtype: torch.dtype) -> None:
    sound = torch.ones(4, 4).to(dtype)
    broken = torch.tensor([[1.0, torch.nan]] * 2).to(dtype)
    save_file({"a": sound, "count": torch.ones(3, dtype=torch.int64)}, tmp_path / "model-1.safetensors")
    assert why_not_finite(tmp_path) is None is why_not_finite(tmp_path / "none")
    save_file({"b": broken}, tmp_path / "model-2.safetensors")
    assert "2 of 4 values of b in model-2.safetensors" in str(why_not_finite(tmp_path))


@pytest.fixture(scope="module")
def startup(tiny_gemma: Path) -> Callable[..., StartUp]:
    def make(*settings: str) -> StartUp:
        config = compose("model=local", f"model.path={tiny_gemma}", "backend.dtype=float32", "backend.device=cpu", *settings)
        model = open_model(config)
        return StartUp.of(model.backend, model.checkpoint, open_renderer(config, model))

    return make


@pytest.mark.model
def test_prompts_without_bos_are_refused_and_those_that_do_not_fit_are_not_asked(startup: Callable[..., StartUp]) -> None:
    check = startup("backend.max_model_len=20")
    request = EncodedGenerate(np.array([5, 6], np.int32), Generate(Prompt(("",)), (), 8))
    found = check.findings([request])
    assert [(finding.name, finding.healthy) for finding in found] == [("one BOS", False), ("log-probabilities", None), ("texts", None)]
    with pytest.raises(ModelError, match=r"1 of 1 sequences do not begin with BOS \(id 2\), or have another: mend bos_token"):
        check.refuse(found)


@pytest.mark.model
def test_it_says_whether_prefixes_are_shared(startup: Callable[..., StartUp]) -> None:
    details = {}
    for share in (True, False):
        check = startup(f"backend.share_prefixes={share}")
        details[share] = {finding.name: finding.detail for finding in check.findings(list(check.probes.values()))}["shared prefixes"]
    assert details == {
        True: "shared prefixes score as full prompts do",
        False: "every full prompt is computed: backend.share_prefixes=false",
    }
