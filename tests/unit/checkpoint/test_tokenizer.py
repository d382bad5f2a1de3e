"""A tokenizer that is missing, torn or another model's is refused; transformers would take any, and make one of nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import Gemma3TextConfig, LlamaConfig

from gemma_eval.checkpoint.tokenizer import load_image_processor, load_tokenizer
from gemma_eval.errors import ConfigError
from gemma_eval.runtime.files import LFS_POINTER
from tests.checkpoints import SPECIAL, VOCABULARY, save_tokenizer

KNOWN = len(VOCABULARY)


def gemma(vocabulary: int = KNOWN) -> Any:
    return Gemma3TextConfig(vocab_size=vocabulary)


def refused(folder: Path, config: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_tokenizer(folder, config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"nonsense", LFS_POINTER + b"v1\n"])
def test_one_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    save_tokenizer(tmp_path)
    assert len(load_tokenizer(tmp_path, gemma())) == KNOWN
    (tmp_path / "tokenizer.json").write_bytes(content)
    said = "tokenizer.json: a Git LFS pointer" if content.startswith(LFS_POINTER) else "its tokenizer cannot be read"
    assert said in refused(tmp_path, gemma())


@pytest.mark.parametrize("name", ["GemmaTokenizer", "PreTrainedTokenizerFast"])
def test_none_at_all(tmp_path: Path, name: str) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    gemma(5).save_pretrained(tmp_path)
    assert "tokenizer" in refused(tmp_path, gemma(5))


class TestAnotherModels:
    """Ids without an embedding, another BOS, or far too few tokens."""

    def test_tokens_without_an_embedding(self, tmp_path: Path) -> None:
        save_tokenizer(tmp_path, more=2)
        assert len(load_tokenizer(tmp_path, gemma(KNOWN + 2))) == KNOWN + 2
        why = refused(tmp_path, gemma())
        assert f"the tokenizer is another model's: 2 of its tokens ('more0', 'more1') have no embedding among the model's {KNOWN}" in why
        assert "2 of its tokens" in refused(tmp_path, LlamaConfig(vocab_size=KNOWN))

    def test_special_tokens_may_have_none(self, tmp_path: Path) -> None:
        """As the tokens of an image in Gemma 3's text models."""
        save_tokenizer(tmp_path)
        tokenizer = load_tokenizer(tmp_path, gemma())
        tokenizer.add_special_tokens({"additional_special_tokens": ["<image_soft_token>"]})
        tokenizer.save_pretrained(tmp_path)
        assert len(load_tokenizer(tmp_path, gemma())) == KNOWN + 1

    def test_another_bos(self, tmp_path: Path) -> None:
        save_tokenizer(tmp_path, special=["<pad>", "<bos>", "<eos>", "<unk>"])
        assert "its BOS is id 1, and the model's 2: take its files from where the weights come from" in refused(tmp_path, gemma())
        assert load_tokenizer(tmp_path, LlamaConfig(vocab_size=KNOWN, bos_token_id=0)), "others than Gemma say little of their BOS"

    def test_too_few_tokens(self, tmp_path: Path) -> None:
        save_tokenizer(tmp_path)
        assert f"it has {KNOWN} tokens, and the model 262,144" in refused(tmp_path, gemma(262_144))
        assert load_tokenizer(tmp_path, gemma(KNOWN + 64)), "an embedding may be padded"
        assert len(SPECIAL) < KNOWN


@pytest.mark.parametrize("content", [None, b"{", b"[]"])
def test_an_image_processor_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gemma3"}')
    if content is not None:
        (tmp_path / "preprocessor_config.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"no image processor that can be read: copy preprocessor_config.json or processor_config.json"):
        load_image_processor(tmp_path)
