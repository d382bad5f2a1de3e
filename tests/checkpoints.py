"""Small checkpoints that are whole: a random Gemma 3 with a tokenizer of its own, and a GGUF file. They load in milliseconds."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from gemma_eval.settings import RunConfig
from tests.settings import compose

SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>"]
VOCABULARY = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
LAYERS = 2


@cache
def _settings() -> RunConfig:
    return compose("model=local", "model.path=.", "suite=piqa", "data=samples", "backend.device=cpu", "backend.dtype=float32")


def local(path: Path) -> RunConfig:
    """Settings of a run with this checkpoint. They are composed once, which takes seconds."""
    return replace(_settings(), model=replace(_settings().model, path=str(path)))


def save_small(folder: Path, **settings: Any) -> None:
    """Write a Gemma 3 text model of two layers. It reads bytes: BOS is 2, EOS 1. `settings`: changed fields of its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder)
    chosen = {
        "vocab_size": len(VOCABULARY), "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": LAYERS, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 8, "sliding_window": 16, "max_position_embeddings": 4096, "query_pre_attn_scalar": 8,
        "layer_types": ["sliding_attention", "full_attention"], "initializer_range": 1.0,
    }  # fmt: skip
    torch.manual_seed(0)
    Gemma3ForCausalLM(Gemma3TextConfig(**(chosen | settings))).save_pretrained(folder)


def save_tokenizer(folder: Path, special: Collection[str] = SPECIAL, more: int = 0) -> None:
    """Write a tokenizer that reads bytes. `more`: tokens that no text has."""
    words = [*special, *VOCABULARY[len(SPECIAL) :], *(f"more{number}" for number in range(more))]
    vocabulary = {token: number for number, token in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([*special])
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", vocabulary["<bos>"])])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"} | names))


def save_gguf(file: Path, architecture: str = "llama", without: Collection[str] = ()) -> None:
    """Write a random Llama of one layer. `without`: tensors that are left out."""
    import gguf

    tokens = ["<unk>", "<s>", "</s>", *VOCABULARY[len(SPECIAL) :], "ab"]
    writer = gguf.GGUFWriter(str(file), architecture)
    writer.add_context_length(512)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    draw = np.random.default_rng(0)
    block = {"attn_norm": (32,), "ffn_norm": (32,), "attn_q": (32, 32), "attn_k": (16, 32), "attn_v": (16, 32), "attn_output": (32, 32),
             "ffn_gate": (64, 32), "ffn_up": (64, 32), "ffn_down": (32, 64)}  # fmt: skip
    shapes = {"token_embd": (len(tokens), 32), "output_norm": (32,)} | {f"blk.0.{name}": shape for name, shape in block.items()}
    for name, shape in shapes.items():
        if name not in without:
            writer.add_tensor(f"{name}.weight", draw.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
