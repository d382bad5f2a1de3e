"""Memory a run needs, from configurations alone, against published sizes and sums by hand."""

from __future__ import annotations

from transformers import Gemma3Config, Gemma3TextConfig

from gemma_eval.checkpoint.memory import activation_width, cache_bytes, parameters

M270 = Gemma3TextConfig(
    vocab_size=262144, hidden_size=640, intermediate_size=2048, num_hidden_layers=18, num_attention_heads=4, num_key_value_heads=1,
    head_dim=256, sliding_window=512,
)  # fmt: skip


def test_parameters_of_270m() -> None:
    """268,098,176 in all: the safetensors of google/gemma-3-270m; the tied head counts once."""
    linear, other = parameters(M270)
    attention = 640 * 256 * (4 + 1 + 1 + 4)
    assert linear == 18 * (attention + 3 * 640 * 2048)
    assert linear + other == 268_098_176


def test_parameters_of_4b_with_its_image_tower() -> None:
    """4,300,079,472: the safetensors of google/gemma-3-4b-pt."""
    config = Gemma3Config(
        text_config={"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "vocab_size": 262208},
        vision_config={"hidden_size": 1152, "image_size": 896, "intermediate_size": 4304, "num_attention_heads": 16,
                       "num_hidden_layers": 27, "patch_size": 14, "vision_use_head": False},
    )  # fmt: skip
    linear, other = parameters(config)
    assert linear + other == 4_300_079_472
    assert 3_000_000_000 < linear < 3_300_000_000


def test_local_layers_keep_their_window() -> None:
    """270M has 15 local and 3 global layers, one key-value head of 256."""
    per_token = 2 * 256 * 2
    assert cache_bytes(M270, 100, 2, windowed=True) == cache_bytes(M270, 100, 2, windowed=False) == 18 * 100 * per_token
    assert cache_bytes(M270, 8192, 2, windowed=True) == (15 * 512 + 3 * 8192) * per_token
    assert cache_bytes(M270, 8192, 2, windowed=False) == 18 * 8192 * per_token


def test_activations_of_a_token() -> None:
    assert activation_width(M270) == 2 * 640 + 2 * (4 + 1) * 256 + 3 * 2048
