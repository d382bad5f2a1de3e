"""Which weights there are, what is refused before any download, and that a quantization is part of names and request keys."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from gemma_eval.checkpoint import quantization
from gemma_eval.checkpoint.resolve import checkpoint_ref, resolve
from gemma_eval.config.selection import run_name
from gemma_eval.errors import ConfigError
from gemma_eval.runtime import paths
from gemma_eval.settings import Quantization
from gemma_eval.task.registry import registry
from tests.settings import compose

WEIGHTS = sorted(file.stem for file in (paths.CONF / "weights").glob("*.yaml"))


def test_every_weights_file_names_itself_and_a_checkpoint() -> None:
    """Composed for each size and variant: either there is a checkpoint, or the refusal names those there are."""
    from omegaconf import OmegaConf

    models = {size: OmegaConf.load(paths.CONF / "model" / f"{size}.yaml") for size in ("270m", "1b", "4b", "12b", "27b")}
    for name in WEIGHTS:
        weights = OmegaConf.load(paths.CONF / "weights" / f"{name}.yaml")
        assert weights.name == name and weights.description
        source = dict(weights).get("checkpoint") or name
        assert any(source in model.checkpoints for model in models.values()), name
    repos = [str(ref.repo) for model in models.values() for by in model.checkpoints.values() for ref in by.values() if ref.get("repo")]
    assert len(repos) == len(set(repos)) and all(repo.startswith(("google/gemma-3-", "RedHatAI/gemma-3-")) for repo in repos)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["weights=fp8"], "backend=transformers cannot load it; backend=vllm can"),
        (["weights=torchao_int4", "backend.device=cpu"], "needs a GPU .* loads there: bnb_int8, bnb_nf4"),
        (["weights=w4a16"], "no such checkpoint for model=270m variant=pt. Choices: bf16, qat_q4_0, gguf_q4_k_m"),
        (["weights=w4a16", "model=4b"], "no such checkpoint for model=4b variant=pt"),
    ],
)
def test_what_cannot_be_loaded_is_refused(overrides: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda name: True)
    with pytest.raises(ConfigError, match=said):
        compose(*overrides)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"bitsandbytes is not installed: pip install 'gemma-eval\[quantization\]'"):
        compose("weights=bnb_nf4", "backend.device=cpu")


def test_a_gguf_has_no_image_tower(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkpoint_ref(compose("model=4b", "weights=qat_q4_0_gguf", "suite=piqa")).gguf == "gemma*q4_0.gguf"
    monkeypatch.setattr(registry()["piqa"], "vision", True)
    assert compose("model=4b", "suite=piqa").model.vision
    with pytest.raises(ConfigError, match="weights=qat_q4_0_gguf cannot see images, which piqa need"):
        compose("model=4b", "weights=qat_q4_0_gguf", "suite=piqa")


@pytest.mark.model
@pytest.mark.skipif(find_spec("torchao") is None, reason="the extra `quantization` is not installed")
def test_quantization_is_part_of_name_and_identity(gemma_270m: object) -> None:
    plain = compose("weights=gguf_q4_k_m", "suite=piqa")
    small = compose("weights=torchao_int8", "weights.checkpoint=gguf_q4_k_m", "suite=piqa")
    assert run_name(small) == "270m-pt-torchao_int8-of-gguf_q4_k_m-transformers-piqa" != run_name(plain)
    whole, made = resolve(plain), resolve(small)
    assert made.path == whole.path and made.quantization is Quantization.torchao_int8
    assert made.identity == whole.identity | {"quantization": "torchao_int8"}
