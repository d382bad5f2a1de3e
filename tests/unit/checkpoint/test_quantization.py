"""Which weights there are, what is refused before any download, and that a promise is kept or the run refused."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gemma_eval.checkpoint import quantization
from gemma_eval.checkpoint.quantization import UNQUANTIZED, Promise, engine_name, promised, stored_quantization
from gemma_eval.checkpoint.resolve import checkpoint_ref, resolve
from gemma_eval.config.selection import run_name
from gemma_eval.errors import ConfigError
from gemma_eval.runtime import paths
from gemma_eval.settings import Quantization
from gemma_eval.task.registry import registry
from tests.checkpoints import VOCABULARY, save_tokenizer
from tests.quantized import W8A8
from tests.settings import compose

WEIGHTS = sorted(file.stem for file in (paths.CONF / "weights").glob("*.yaml"))


def test_every_weights_file_names_itself_and_a_checkpoint() -> None:
    """Each size and variant either has a checkpoint for it, or the refusal names those there are."""
    from omegaconf import OmegaConf

    models = {size: OmegaConf.load(paths.CONF / "model" / f"{size}.yaml") for size in ("270m", "1b", "4b", "12b", "27b")}
    for name in WEIGHTS:
        weights = OmegaConf.load(paths.CONF / "weights" / f"{name}.yaml")
        assert weights.name == name and weights.description
        source = dict(weights).get("checkpoint") or name
        assert any(source in model.checkpoints for model in models.values()), name
    repos = [str(ref.repo) for model in models.values() for by in model.checkpoints.values() for ref in by.values() if ref.get("repo")]
    assert len(repos) == len(set(repos)) and all(repo.startswith(("google/gemma-3-", "RedHatAI/gemma-3-")) for repo in repos)


@pytest.fixture
def all_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda name: True)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "_device", lambda config: "cuda")


@pytest.mark.usefixtures("all_installed")
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["weights=fp8"], "backend=transformers cannot load it; backend=vllm can"),
        (["weights=torchao_int4", "backend.device=cpu"], "needs a GPU .* loads there: bnb_int8, bnb_nf4"),
        (["weights=w4a16"], "no such checkpoint for model=270m variant=pt. Choices: bf16, qat_q4_0, gguf_q4_k_m"),
        (["weights=w4a16", "model=4b"], "no such checkpoint for model=4b variant=pt"),
    ],
)
def test_what_cannot_be_loaded_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compose(*overrides)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"bitsandbytes is not installed: pip install 'gemma-eval\[quantization\]'"):
        compose("weights=bnb_nf4", "backend.device=cpu")


def test_a_server_may_serve_any_weights() -> None:
    """It has loaded them already, so nothing has to be installed here."""
    assert compose("backend=server", "weights=fp8").weights.quantization is Quantization.fp8


def test_a_gguf_has_no_image_tower(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkpoint_ref(compose("model=4b", "weights=qat_q4_0_gguf", "suite=piqa")).gguf == "gemma*q4_0.gguf"
    monkeypatch.setattr(registry()["piqa"], "vision", True)
    assert compose("model=4b", "suite=piqa").model.vision
    with pytest.raises(ConfigError, match="weights=qat_q4_0_gguf cannot see images, which piqa need"):
        compose("model=4b", "weights=qat_q4_0_gguf", "suite=piqa")


@pytest.mark.model
@pytest.mark.skipif(find_spec("torchao") is None, reason="the extra `quantization` is not installed")
def test_quantization_is_part_of_name_and_identity(gemma_270m: object) -> None:
    unquantized = compose("weights=gguf_q4_k_m", "suite=piqa")
    small = compose("weights=torchao_int8", "weights.checkpoint=gguf_q4_k_m", "suite=piqa")
    assert run_name(small) == "270m-pt-torchao_int8-of-gguf_q4_k_m-transformers-piqa" != run_name(unquantized)
    whole, made = resolve(unquantized), resolve(small)
    assert made.path == whole.path and made.quantization is Quantization.torchao_int8
    assert made.identity == whole.identity | {"quantization": "torchao_int8"}


# -- settings that contradict the promise -----------------------------------------------------------------------

VLLM = ["backend=vllm", "model=1b"]
ARGUMENT = "backend.engine_args.quantization_config={linear: fp8_per_block}"
OVERRIDE = "backend.engine_args.hf_overrides.quantization_config={quant_method: fp8}"


@pytest.mark.usefixtures("all_installed", "gpu")
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["backend.quantization=fp8"],
            r"^backend.quantization=fp8: contradicts weights=bf16, which promises weights that are not quantized",
        ),
        (
            ["weights=fp8", "backend.quantization=awq"],
            r"^backend.quantization=awq: contradicts weights=fp8, which promises fp8_per_tensor or",
        ),
        ([ARGUMENT], r"^backend.engine_args.quantization_config: weights=bf16 says how"),
        (["weights=fp8", ARGUMENT], r"^backend.engine_args.quantization_config: weights=fp8 says how"),
        ([OVERRIDE], r"^backend.engine_args.hf_overrides.quantization_config: weights=bf16 says how"),
        (["weights=qat_q4_0", "model.path=there", "backend.quantization=fp8"], r"^backend.quantization=fp8: contradicts weights=qat_q4_0"),
    ],
)
def test_arguments_that_contradict_the_promise_are_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compose(*VLLM, *overrides)


@pytest.mark.usefixtures("all_installed", "gpu")
def test_arguments_that_contradict_nothing_are_taken() -> None:
    compose(*VLLM, "weights=fp8", "backend.quantization=fp8")
    compose(*VLLM, "weights=fp8", "backend.engine_args.hf_overrides={head_dtype: float32}")
    compose("backend=vllm", "model=local", "model.path=there", "backend.quantization=awq")
    compose("backend=vllm", "model=local", "model.path=there", ARGUMENT)


# -- checkpoints that contradict the promise --------------------------------------------------------------------


def scheme(weights: int, activations: int | None, kind: str = "int") -> dict[str, Any]:
    inputs = {"num_bits": activations, "type": kind} if activations else None
    return {"targets": ["Linear"], "weights": {"num_bits": weights, "type": kind}, "input_activations": inputs}


def compressed(*schemes: dict[str, Any]) -> dict[str, Any]:
    return {"quant_method": "compressed-tensors", "config_groups": {f"group_{i}": one for i, one in enumerate(schemes)}}


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        (None, None),
        (W8A8, "compressed-tensors w8a8"),
        (compressed(scheme(4, None)), "compressed-tensors w4a16"),
        (compressed(scheme(8, 8, "float")), "compressed-tensors w8a8 float"),
        (compressed(scheme(4, None), scheme(8, 8)), "compressed-tensors w4a16 w8a8"),
        ({"quant_method": "compressed-tensors", "config_groups": {"W8A8": ["Linear"]}}, "compressed-tensors w8a8"),
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
    ],
)
def test_a_checkpoint_says_how_it_is_stored(stored: dict[str, Any] | None, name: str | None) -> None:
    assert stored_quantization({"quantization_config": stored} if stored else {}) == name
    assert stored_quantization({"text_config": {"quantization_config": stored} if stored else {}}) == name


def checkpoint(folder: Path, stored: dict[str, Any] | None) -> str:
    """Setting for a checkpoint folder with this configuration."""
    config = {"model_type": "gemma3_text", "vocab_size": len(VOCABULARY)} | ({"quantization_config": stored} if stored else {})
    (folder / "config.json").write_text(json.dumps(config))
    return f"model.path={folder}"


GPTQ = {"quant_method": "gptq"}


@pytest.mark.usefixtures("all_installed", "gpu")
@pytest.mark.parametrize(
    ("overrides", "stored", "said"),
    [
        (["weights=w8a8"], None, "weights=w8a8: needs a checkpoint that is stored as compressed-tensors w8a8, .* nothing of a quant"),
        (["weights=w8a8"], compressed(scheme(4, None)), "quantization_config: compressed-tensors w4a16"),
        (["weights=w8a8"], compressed(scheme(8, 8, "float")), "quantization_config: compressed-tensors w8a8 float"),
        (["weights=w4a16", "backend=vllm"], W8A8, "weights=w4a16: needs a checkpoint that is stored as compressed-tensors w4a16"),
        (
            ["weights=bnb_nf4"],
            GPTQ,
            "weights=bnb_nf4: needs a checkpoint that is stored without quantization, .* quantization_config: gptq",
        ),
        (["weights=fp8", "backend=vllm"], W8A8, "weights=fp8: needs a checkpoint that is stored without quantization"),
        (["weights=qat_q4_0"], W8A8, "weights=qat_q4_0: needs a checkpoint that is stored without quantization"),
    ],
)
def test_a_checkpoint_that_contradicts_the_promise_is_refused(
    tmp_path: Path, overrides: list[str], stored: dict[str, Any] | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        resolve(compose("model=local", checkpoint(tmp_path, stored), *overrides))


def test_a_published_checkpoint_that_is_quantized_is_not_bf16() -> None:
    config = compose("model=1b")
    assert promised(config, {}) == Promise("bf16", Quantization.none)
    with pytest.raises(ConfigError, match="weights=bf16: needs a checkpoint that is stored without quantization"):
        promised(config, {"quantization_config": W8A8})


@pytest.mark.usefixtures("all_installed")
def test_a_local_checkpoint_promises_nothing_unless_weights_are_named(tmp_path: Path) -> None:
    """Reports call it "local", and its request keys say what its configuration says."""
    save_tokenizer(tmp_path)
    local = ["model=local", checkpoint(tmp_path, GPTQ)]
    found = resolve(compose(*local), weights=False)
    assert found.promise is None and found.identity["quantization"] == "gptq" and found.name == str(tmp_path)
    checkpoint(tmp_path, None)
    found = resolve(compose(*local), weights=False)
    assert found.promise is None and "quantization" not in found.identity
    checkpoint(tmp_path, W8A8)
    found = resolve(compose(*local, "weights=w8a8"), weights=False)
    assert found.promise == Promise("w8a8", Quantization.w8a8) and found.identity["quantization"] == "w8a8"


# -- engines that do not keep it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "backend", "layers", "kept"),
    [
        (Quantization.none, "transformers", {UNQUANTIZED: 12}, True),
        (Quantization.none, "transformers", {UNQUANTIZED: 11, "bitsandbytes nf4": 1}, False),
        (Quantization.none, "vllm", {"fp8": 12}, False),
        (Quantization.none, "vllm", {}, False),
        (Quantization.fp8, "vllm", {"fp8_per_tensor": 12}, True),
        (Quantization.fp8, "vllm", {"fp8": 12}, True),
        (Quantization.fp8, "vllm", {UNQUANTIZED: 12}, False),
        (Quantization.fp8, "vllm", {UNQUANTIZED: 1, "fp8": 11}, False),
        (Quantization.bnb_nf4, "transformers", {"bitsandbytes nf4": 12}, True),
        (Quantization.bnb_nf4, "transformers", {"bitsandbytes fp4": 12}, False),
        (Quantization.torchao_int8, "transformers", {"torchao int8, activations too": 12}, False),
        (Quantization.w8a8, "transformers", {"compressed-tensors w8a8": 10, UNQUANTIZED: 2}, True),  # its `ignore` list
        (Quantization.w8a8, "transformers", {UNQUANTIZED: 12}, False),
        (Quantization.w8a8, "transformers", {"compressed-tensors w8a8": 11, "compressed-tensors w4a16": 1}, False),
        (Quantization.w8a8, "vllm", {"compressed-tensors": 12}, True),
    ],
)
def test_a_promise_is_kept_or_the_run_refused(chosen: Quantization, backend: str, layers: dict[str, int], kept: bool) -> None:
    promise = Promise("its-name", chosen)
    if kept:
        promise.check_layers(backend, layers)
        return
    with pytest.raises(ConfigError, match=f"^weights=its-name: promises linear layers that are .*, but backend={backend} has loaded "):
        promise.check_layers(backend, layers)


def test_an_engine_is_told_the_name_that_it_knows() -> None:
    assert engine_name(Quantization.fp8, "vllm", ["awq", "fp8"], "vLLM 0.11") == "fp8"
    assert engine_name(Quantization.fp8, "vllm", ["fp8", "fp8_per_tensor"], "vLLM 0.32") == "fp8_per_tensor"
    with pytest.raises(ConfigError, match=r"weights=bnb_nf4: vLLM 0.32 does not offer the quantization bitsandbytes. It offers awq, fp8"):
        engine_name(Quantization.bnb_nf4, "vllm", ["fp8", "awq"], "vLLM 0.32")
