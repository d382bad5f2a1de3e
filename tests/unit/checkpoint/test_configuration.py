"""Every field of a configuration has transformers' default, and one that means nothing is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from gemma_eval.checkpoint.configuration import check_generation_config, context_length, read_config
from gemma_eval.checkpoint.quantization import stored_quantization
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError
from gemma_eval.prompt.renderer import ImageTokens
from gemma_eval.runtime import paths
from tests.quantized import W8A8

# What Google's config.json files state of the fields that are read here. They leave out most of them.
PUBLISHED: dict[str, dict[str, Any]] = {
    "270m": {"model_type": "gemma3_text", "max_position_embeddings": 32768, "sliding_window": 512, "vocab_size": 262144},
    "1b": {"model_type": "gemma3_text", "max_position_embeddings": 32768, "sliding_window": 512, "vocab_size": 262144},
    "4b": {
        "model_type": "gemma3", "mm_tokens_per_image": 256, "eos_token_id": [1, 106],
        "text_config": {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
                        "sliding_window": 1024, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}},
        "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 896, "patch_size": 14},
    },
    "12b": {
        "model_type": "gemma3",
        "text_config": {"model_type": "gemma3_text", "hidden_size": 3840, "num_attention_heads": 16, "num_key_value_heads": 8,
                        "num_hidden_layers": 48, "sliding_window": 1024, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}},
        "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 896, "patch_size": 14},
    },
    "27b": {
        "model_type": "gemma3",
        "text_config": {"model_type": "gemma3_text", "hidden_size": 5376, "num_attention_heads": 32, "num_key_value_heads": 16,
                        "head_dim": 128, "num_hidden_layers": 62, "sliding_window": 1024, "query_pre_attn_scalar": 168,
                        "rope_scaling": {"factor": 8.0, "rope_type": "linear"}},
        "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 896, "patch_size": 14},
    },
}  # fmt: skip


def written(folder: Path, config: object) -> Path:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return folder


@pytest.mark.parametrize("size", PUBLISHED)
def test_published_models_are_as_the_settings_say(tmp_path: Path, size: str) -> None:
    folder = written(tmp_path, PUBLISHED[size])
    settings = OmegaConf.load(paths.CONF / "model" / f"{size}.yaml")
    assert context_length(folder, 1) == settings.context_length
    checkpoint = Checkpoint(folder, {}, 1)
    assert checkpoint.reads_images is settings.vision
    assert checkpoint.model_config.get_text_config().sliding_window == settings.sliding_window
    assert ImageTokens.of(checkpoint.config) == (ImageTokens(255_999, 262_144, 256_000, 256) if settings.vision else None)


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"model_type": "gemma3_text"}, 131_072),
        ({"model_type": "gemma3"}, 131_072),
        ({"model_type": "gemma3", "text_config": {"max_position_embeddings": 4096}}, 4096),
        ({"model_type": "gpt2", "n_positions": 77}, 77),
        ({"model_type": "bloom"}, 8192),  # says nothing
    ],
)
def test_context_length(tmp_path: Path, config: dict[str, Any], tokens: int) -> None:
    assert context_length(written(tmp_path, config), 8192) == tokens


def test_a_quantization_is_seen_through_the_defaults(tmp_path: Path) -> None:
    assert stored_quantization(read_config(written(tmp_path, {"model_type": "gemma3", "quantization_config": W8A8}))) == (
        "compressed-tensors w8a8"
    )
    assert stored_quantization(read_config(written(tmp_path, {"model_type": "gemma3"}))) is None


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "names no model_type, such as gemma3_text"),
        ({"model_type": 3}, "names no model_type"),
        ({"model_type": "gemma9"}, r"model_type 'gemma9' is unknown to transformers .*: put it right .* or install"),
        ({"model_type": "gemma3", "text_config": 3}, "text_config is 3, and must be a JSON object"),
        ({"model_type": "gemma3_text", "quantization_config": "int8"}, "quantization_config is 'int8', and must be"),
        ({"model_type": "gemma3_text", "hidden_size": "8"}, "not the configuration of a gemma3_text model"),
        ({"model_type": "gemma3_text", "num_attention_heads": 0}, "not the configuration of a gemma3_text model"),
        ({"model_type": "gemma3_text", "sliding_window": None}, "sliding_window is None, and must be a number of tokens"),
        ({"model_type": "gemma3_text", "sliding_window": 0}, "sliding_window is 0, and must be"),
        ({"model_type": "gemma3_text", "max_position_embeddings": 0}, "max_position_embeddings is 0, and must be"),
        ("", "not JSON"),
        ("null", "holds NoneType where a JSON object is expected"),
    ],
)
def test_a_configuration_that_means_nothing(tmp_path: Path, config: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        context_length(written(tmp_path, config), 8192)
    assert str(caught.value).startswith(str(tmp_path / "config.json")) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ends", "right"), [(1, True), ([1, 106], True), (None, True), ("1", False), ([1, "106"], False), (True, False), (-1, False)]
)
def test_ids_that_end_a_text(tmp_path: Path, ends: object, right: bool) -> None:
    check_generation_config(tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    if right:
        check_generation_config(tmp_path)
        return
    with pytest.raises(ConfigError, match=r"generation_config.json: eos_token_id is .*, and must be a token id or a list of them"):
        check_generation_config(tmp_path)
