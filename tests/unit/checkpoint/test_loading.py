"""Weights that are not those of config.json are refused with what is wrong and how to mend it, before anything is computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Gemma3TextConfig

from gemma_eval.checkpoint.files import WHOLE
from gemma_eval.checkpoint.loading import load_model, rehearse
from gemma_eval.errors import ConfigError
from tests.checkpoints import VOCABULARY

Weights = dict[str, torch.Tensor]
NORM = "model.norm.weight"
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"


def saved(folder: Path, weights: Weights, **settings: object) -> Path:
    """The checkpoint with these weights and changed settings."""
    save_file(weights, folder / WHOLE, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    return folder


def refused(folder: Path, *, reads_images: bool = False) -> str:
    with pytest.raises(ConfigError) as caught:
        rehearse(folder, "its-name", reads_images=reads_images)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("its-name: ")
    return str(caught.value)


def without(weights: Weights, *names: str) -> Weights:
    return {name: tensor for name, tensor in weights.items() if name not in names}


def prefixed(prefix: str) -> Callable[[Weights], Weights]:
    return lambda weights: {prefix + name: tensor for name, tensor in weights.items()}


def with_lora(weights: Weights) -> Weights:
    return weights | {"model.layers.0.self_attn.q_proj.lora_A.weight": torch.ones(2, 8)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: without(w, NORM), f"its weights lack 1 of the model's tensors ({NORM}): download or copy the whole checkpoint again"),
        (lambda w: without(w, EMBEDDING), f"its weights lack 2 of the model's tensors ({HEAD}, {EMBEDDING})"),
        (prefixed("language_model."), "the names of the weights begin with 'language_model.': rename them, or take the config.json that"),
        (prefixed("base_model.model."), "the names of the weights begin with 'base_model.model.'"),
        (with_lora, "they hold an adapter: merge it into its base model"),
        (
            lambda w: w | {"model.layers.2.mlp.up_proj.weight": w[NORM].clone()},
            "its weights bring 1 that the model does not have (model.la",
        ),
        (lambda w: w | {NORM: torch.ones(3, 2)}, f"its weights have 1 in another shape ({NORM} is 3 x 2 and must be 8)"),
        (lambda w: w | {NORM: torch.tensor(1.0)}, f"({NORM} is a single number and must be 8)"),
    ],
)
def test_weights_that_are_not_the_models(folder: Path, change: Callable[[Weights], Weights], said: str) -> None:
    rehearse(folder, "its-name", reads_images=False)
    assert said in refused(saved(folder, change(load_file(folder / WHOLE))))


@pytest.mark.parametrize("prefix", ["", "model."])
def test_names_that_transformers_knows(folder: Path, prefix: str) -> None:
    """A bare model's weights begin without "model."."""
    weights = {prefix + name.removeprefix("model."): tensor for name, tensor in load_file(folder / WHOLE).items()}
    rehearse(saved(folder, weights), "its-name", reads_images=False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_hidden_layers": 1, "layer_types": ["full_attention"]}, "bring 13 that"),
        ({"hidden_size": 16}, "in another shape"),
        ({"model_type": "llama", "head_dim": 8}, "bring"),
        ({"hidden_activation": "nope"}, "the model cannot be loaded (KeyError: 'nope')"),
    ],
)
def test_another_models_configuration(folder: Path, settings: dict[str, object], said: str) -> None:
    assert said in refused(saved(folder, load_file(folder / WHOLE), **settings))


class TestHead:
    """A head that config.json says is the embedding may be absent, and may be there once more, but not be another one."""

    def test_tied(self, folder: Path) -> None:
        weights = load_file(folder / WHOLE)
        assert HEAD not in weights
        rehearse(saved(folder, weights | {HEAD: weights[EMBEDDING].clone()}), "its-name", reads_images=False)
        why = refused(saved(folder, weights | {HEAD: weights[EMBEDDING] + 1}))
        assert f"config.json says that {HEAD} is {EMBEDDING} (tie_word_embeddings), but the weights have both, and they differ" in why

    def test_untied(self, folder: Path) -> None:
        weights = load_file(folder / WHOLE)
        rehearse(saved(folder, weights | {HEAD: weights[EMBEDDING] + 1}, tie_word_embeddings=False), "its-name", reads_images=False)
        assert f"lack 1 of the model's tensors ({HEAD})" in refused(saved(folder, weights, tie_word_embeddings=False))


class TestImages:
    """A model that reads images, as on the Hub: its names are older than transformers'."""

    @pytest.fixture
    def seeing(self, tmp_path: Path) -> Path:
        from transformers import Gemma3Config, Gemma3ForConditionalGeneration

        text = {"vocab_size": len(VOCABULARY), "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                "num_key_value_heads": 1, "head_dim": 8}  # fmt: skip
        vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "image_size": 28,
                  "patch_size": 14, "vision_use_head": False}  # fmt: skip
        config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
        Gemma3ForConditionalGeneration(config).save_pretrained(tmp_path)
        return tmp_path

    def test_whole(self, seeing: Path) -> None:
        weights = load_file(seeing / WHOLE)
        assert any(name.startswith("language_model.model.") for name in weights)
        rehearse(seeing, "its-name", reads_images=True)
        hub = {name.replace("vision_tower.", "vision_tower.vision_model."): tensor for name, tensor in weights.items()}
        rehearse(saved(seeing, hub), "its-name", reads_images=True)

    def test_without_the_image_tower(self, seeing: Path) -> None:
        text = {name: tensor for name, tensor in load_file(seeing / WHOLE).items() if "vision" not in name}
        assert "of the model's tensors (model.vision_tower." in refused(saved(seeing, text), reads_images=True)

    def test_with_the_configuration_of_its_text_model(self, seeing: Path) -> None:
        text = json.loads((seeing / "config.json").read_text())["text_config"]
        Gemma3TextConfig(**text).save_pretrained(seeing)
        assert "the names of the weights begin with 'language_model.'" in refused(seeing)


def test_a_model_that_continues_no_text(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "t5"}')
    assert "the model cannot be loaded (ValueError: Unrecognized configuration class" in refused(folder)


def test_a_real_load_is_checked_too(folder: Path) -> None:
    assert load_model(folder, "its-name", dtype=torch.float32).model.norm.weight.device.type == "cpu"
    saved(folder, without(load_file(folder / WHOLE), NORM))
    with pytest.raises(ConfigError, match="lack 1 of the model's tensors"):
        load_model(folder, "its-name", dtype=torch.float32)
