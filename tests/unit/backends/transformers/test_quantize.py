"""Layers are reported as they are stored, and a model whose layers are not stored as promised is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers

from gemma_eval.backends.transformers import TransformersBackend, load
from gemma_eval.backends.transformers.quantize import stored_layers, transformers_config
from gemma_eval.checkpoint.quantization import LOADERS, UNQUANTIZED, Promise
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError
from gemma_eval.settings import Dtype, Quantization, TransformersConfig
from tests.quantized import save_w8a8

LAYERS = 2 * 7  # linear layers of the checkpoint's two decoder layers


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Gemma 3 of two layers, in widths that every package takes."""
    torch.manual_seed(0)
    config = transformers.Gemma3TextConfig(
        vocab_size=64, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        head_dim=32, layer_types=["sliding_attention", "full_attention"],
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("small")
    transformers.Gemma3ForCausalLM(config).save_pretrained(folder)
    return folder


def opened(folder: Path, chosen: Quantization | None, dtype: Dtype = Dtype.bfloat16) -> TransformersBackend:
    promise = None if chosen is None else Promise("its-name", chosen)
    return TransformersBackend(TransformersConfig(device="cpu", dtype=dtype), Checkpoint(folder, {"path": "small"}, 512, promise))


PACKAGES = {
    Quantization.bnb_int8: "bitsandbytes",
    Quantization.bnb_nf4: "bitsandbytes",
    Quantization.torchao_int8: "torchao",
    Quantization.torchao_int8_dynamic: "torchao",
}


@pytest.mark.parametrize("dtype", list(Dtype))
@pytest.mark.parametrize("chosen", [Quantization.none, *PACKAGES])
def test_a_model_is_loaded_as_promised(small: Path, chosen: Quantization, dtype: Dtype) -> None:
    if chosen in PACKAGES:
        pytest.importorskip(PACKAGES[chosen], reason="the extra `quantization` is not installed")
    model = opened(small, chosen, dtype).model
    name = LOADERS[chosen]["transformers"].names[0] if chosen in LOADERS else UNQUANTIZED
    assert stored_layers(model) == {name: LAYERS}
    with torch.inference_mode():
        assert model(torch.tensor([[2, 5, 6]])).logits.isfinite().all()


@pytest.mark.parametrize("chosen", [Quantization.w8a8, None])
def test_a_checkpoint_is_loaded_as_it_is_stored(small: Path, tmp_path: Path, chosen: Quantization | None) -> None:
    pytest.importorskip("compressed_tensors", reason="the extra `quantization` is not installed")
    save_w8a8(small, tmp_path)
    model = opened(tmp_path, chosen).model
    assert stored_layers(model) == {"compressed-tensors w8a8": LAYERS}
    ids = torch.tensor([[2, 5, 6, 7]])
    with torch.inference_mode():
        logits, exact = (one(ids).logits[0].float() for one in (model, opened(small, Quantization.none).model))
    assert (logits - exact).abs().max() < 0.05 * exact.abs().max(), "scales were left out"


@pytest.mark.parametrize("chosen", [chosen for chosen, by in LOADERS.items() if "transformers" in by])
def test_layers_that_are_not_quantized_are_refused(small: Path, chosen: Quantization, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the reason: here transformers is never told."""
    monkeypatch.setattr(load, "transformers_config", lambda chosen, dtype: None)
    with pytest.raises(ConfigError, match=f"weights=its-name: .* backend=transformers has loaded {LAYERS} not quantized"):
        _ = opened(small, chosen).model


def test_layers_that_are_quantized_are_not_called_unquantized(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def quantized(path: Path, **arguments: Any) -> Any:
        model = transformers.Gemma3ForCausalLM.from_pretrained(path, dtype=arguments["dtype"])
        layer = model.model.layers[0].mlp.up_proj
        layer.weight = torch.nn.Parameter(layer.weight.to(torch.float8_e4m3fn), requires_grad=False)
        return model, {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": []}

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", quantized)
    with pytest.raises(ConfigError, match=f"has loaded 1 Linear of float8_e4m3fn, {LAYERS - 1} not quantized"):
        _ = opened(small, Quantization.none).model
    assert opened(small, None).model, "a local checkpoint promises nothing"


def test_transformers_is_not_told_of_a_stored_quantization(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument of None would replace what config.json says, and the integers would be loaded as they are, without their scales."""
    save_w8a8(small, tmp_path)
    told: list[dict[str, Any]] = []

    def loaded(path: Path, **arguments: Any) -> Any:
        told.append(arguments)
        raise ImportError("compressed-tensors is required\nmore")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", loaded)
    for chosen in (Quantization.w8a8, None):
        with pytest.raises(
            ConfigError, match=r"^.*: the model cannot be loaded without a package .*: ImportError: compressed-tensors is required more$"
        ):
            _ = opened(tmp_path, chosen).model
    assert all("quantization_config" not in arguments and arguments["device_map"] for arguments in told) and len(told) == 2


def test_four_bit_weights_compute_in_the_dtype_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for dtype in Dtype:
        assert transformers_config(Quantization.bnb_nf4, dtype).bnb_4bit_compute_dtype is getattr(torch, dtype.value)


def weight(module: str, dtype: torch.dtype, **attributes: Any) -> Any:
    """What is looked at of a weight, as a package of this name would make it."""
    return type("Weight", (SimpleNamespace,), {"__module__": module})(dtype=dtype, **attributes)


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        (weight("bitsandbytes.nn.modules", torch.int8), "bitsandbytes int8"),
        (weight("bitsandbytes.nn.modules", torch.uint8, quant_type="nf4"), "bitsandbytes nf4"),
        (weight("bitsandbytes.nn.modules", torch.uint8, quant_type="fp4"), "bitsandbytes fp4"),
        (weight("bitsandbytes.nn.modules", torch.bfloat16, quant_type="nf4"), UNQUANTIZED),  # it was meant to be
    ],
)
def test_layers_are_named_by_what_they_are(stored: Any, name: str) -> None:
    layer = torch.nn.Linear(2, 2)
    del layer.weight
    layer.weight = stored
    decoder = torch.nn.Sequential(layer)
    assert stored_layers(SimpleNamespace(get_decoder=lambda: decoder)) == Counter([name])
