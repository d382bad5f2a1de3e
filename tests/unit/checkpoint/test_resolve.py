"""A checkpoint is whole, or refused in one line: no damage to its files leaves another score."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from gemma_eval.backends import open_backend
from gemma_eval.checkpoint.files import WHOLE
from gemma_eval.checkpoint.resolve import resolve
from gemma_eval.errors import ConfigError, GemmaEvalError
from gemma_eval.settings import Quantization
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, Prompt, Response
from tests.checkpoints import local
from tests.damage import damaged

SMALL_FILES = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]


def answers(path: Path) -> tuple[list[int], list[Response]]:
    """The ids of a text, and what the checkpoint answers to a score and a generation."""
    checkpoint = resolve(local(path))
    prompt = np.array([2, *range(40, 70)], dtype=np.int32)
    requests: list[Encoded] = [
        EncodedScore((np.append(prompt, 50).astype(np.int32), np.append(prompt, 51).astype(np.int32)), (31, 31)),
        EncodedGenerate(prompt, Generate(Prompt(("",)), stop=(), max_tokens=8)),
    ]
    found = {answer.index: answer.response for answer in open_backend(local(path).backend, checkpoint).answer(requests)}
    return checkpoint.tokenizer("Half of it")["input_ids"], [found[0], found[1]]


def dropped(folder: Path, weights: dict[str, torch.Tensor], name: str) -> None:
    del weights[name]


def renamed(folder: Path, weights: dict[str, torch.Tensor], name: str) -> None:
    weights[f"{name}s"] = weights.pop(name)


def reshaped(folder: Path, weights: dict[str, torch.Tensor], name: str) -> None:
    weights[name] = weights[name].reshape(-1)[:-1].clone()


def in_integers(folder: Path, weights: dict[str, torch.Tensor], name: str) -> None:
    weights[name] = weights[name].to(torch.int8)


def doubled(folder: Path, weights: dict[str, torch.Tensor], name: str) -> None:
    save_file({name: weights[name] * 2}, folder / "model-00002.safetensors")


@st.composite
def damages(draw: st.DrawFn) -> Callable[[Path], object]:
    """Something that happens to a checkpoint folder."""
    kind = draw(st.sampled_from(["tensor", "tensor", "cut", "text", "gone"]))
    if kind == "tensor":
        change: Any = draw(st.sampled_from([dropped, renamed, reshaped, in_integers, doubled]))
        number = draw(st.integers(0, 10**6))

        def damage(folder: Path) -> None:
            weights = load_file(folder / WHOLE)
            change(folder, weights, sorted(weights)[number % len(weights)])
            save_file(weights, folder / WHOLE, metadata={"format": "pt"})

        return damage
    name = draw(st.sampled_from([*SMALL_FILES, WHOLE]))
    if kind == "cut":
        share = draw(st.floats(0, 1, exclude_max=True))
        return lambda folder: os.truncate(folder / name, int(share * (folder / name).stat().st_size))
    if kind == "text":
        text = draw(st.text() | st.sampled_from(["{}", "[]", "null", '{"eos_token_id": 3.5}', '{"model_type": "llama"}']))
        return lambda folder: (folder / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    return lambda folder: (folder / name).unlink()


@pytest.fixture(scope="module")
def expected(whole: Path) -> tuple[list[int], list[Response]]:
    return answers(whole)


@settings(max_examples=100, deadline=None)
@given(damage=damages())
def test_damage_is_refused_or_changes_nothing(whole: Path, expected: object, damage: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(whole, Path(scratch) / "checkpoint"))
        damage(folder)
        try:
            found = answers(folder)
        except GemmaEvalError as error:
            assert str(error) and "\n" not in str(error)
        else:
            assert found == expected


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_settings_with_one_fault_are_refused_or_taken(whole: Path, data: st.DataObject) -> None:
    """A changed value may be another model's, which nobody can know. It is no reason for a traceback."""
    name = data.draw(st.sampled_from(SMALL_FILES))
    _, document = data.draw(damaged(json.loads((whole / name).read_text())))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(whole, Path(scratch) / "checkpoint"))
        (folder / name).write_text(json.dumps(document))
        try:
            answers(folder)
        except GemmaEvalError as error:
            assert str(error) and "\n" not in str(error)


def test_paths_are_taken_as_they_are(whole: Path, tmp_path: Path, expected: object, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Path(shutil.copytree(whole, tmp_path / "контрольная точка, epoch=3 #1"))
    (tmp_path / "link").symlink_to(odd)
    monkeypatch.setenv("HOME", str(tmp_path))
    with chdir(tmp_path):
        for path in (odd, f"{odd}/", "link", Path("~") / odd.name, f"./{odd.name}"):
            assert answers(path) == expected  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^model.path=~nobody-of-this-name/x: "):
        resolve(local(Path("~nobody-of-this-name/x")))


class TestQuantized:
    """What config.json says of quantization is asked of transformers before anything is loaded."""

    @pytest.mark.parametrize(
        ("stored", "said"),
        [
            ({"quant_method": "of-tomorrow"}, "config.json names the quantization 'of-tomorrow', which transformers .* does not know"),
            ({"bits": 4}, r"its weights are quantized \(None\), and cannot be loaded here"),
            (
                {"quant_method": "gptq", "bits": 4},
                r"its weights are quantized \(gptq\), and the package that reads them is missing .*optimum",
            ),
        ],
    )
    def test_what_reads_them_is_missing(self, folder: Path, stored: dict[str, Any], said: str) -> None:
        write_quantization(folder, stored)
        with pytest.raises(ConfigError, match=said):
            resolve(local(folder))

    def test_weights_that_were_loaded_as_plain_numbers(self, folder: Path) -> None:
        """Without a GPU, transformers makes plain numbers of fp8, and says so in a warning."""
        write_quantization(folder, {"quant_method": "fp8"})
        if torch.cuda.is_available():
            pytest.skip("fp8 is computed on a GPU")
        with pytest.raises(ConfigError, match=r"quantized \(fp8\), but they were loaded as plain numbers: take out quantization_config"):
            answers(folder)

    def test_a_promise_is_refused_first(self, folder: Path) -> None:
        weights = replace(local(folder).weights, name="w8a8", quantization=Quantization.w8a8)
        with pytest.raises(ConfigError, match=r"weights=w8a8: needs a checkpoint that is stored as compressed-tensors w8a8"):
            resolve(replace(local(folder), weights=weights))


def write_quantization(folder: Path, stored: dict[str, Any]) -> None:
    """Let config.json say that the weights are stored so."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": stored}))
