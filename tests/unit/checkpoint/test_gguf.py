"""GGUF files are dequantized whole or refused: none leaves a copy of which part is random."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from gemma_eval.checkpoint import gguf
from gemma_eval.checkpoint.resolve import Checkpoint, resolve
from gemma_eval.errors import ConfigError
from gemma_eval.runtime.files import LFS_POINTER
from tests.checkpoints import local, save_gguf

pytestmark = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="the extra `demo` is not installed")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("gguf") / "whole.gguf"
    save_gguf(file)
    return file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("GEMMA_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "checkpoints"


def opened(file: Path) -> Checkpoint:
    return resolve(local(file))


def refused(file: Path, cache: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        opened(file)
    assert "\n" not in str(caught.value) and str(file) in str(caught.value)
    assert not cache.is_dir() or not list(cache.iterdir()), "nothing is left behind"
    return str(caught.value)


def test_capital_letters(whole: Path, tmp_path: Path) -> None:
    found = opened(Path(shutil.copy(whole, tmp_path / "Small Model.GGUF")))
    assert (found.context_length, found.identity["path"]) == (512, "Small Model.GGUF")
    assert found.identity["sha256"] == gguf.sha256_of(whole)


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5, 0.06, 0.001])
def test_half_a_file(whole: Path, tmp_path: Path, cache: Path, share: float) -> None:
    content = whole.read_bytes()
    (tmp_path / "half.gguf").write_bytes(content[: int(share * len(content)) - 1])
    assert "transformers cannot read it" in refused(tmp_path / "half.gguf", cache)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not begin as a GGUF file does: download or copy it again"),
        (b"<!DOCTYPE html>", "does not begin as a GGUF file does"),
        (LFS_POINTER + b"v1\n", "a Git LFS pointer in place of the file"),
    ],
)
def test_something_else(tmp_path: Path, cache: Path, content: bytes, said: str) -> None:
    (tmp_path / "other.gguf").write_bytes(content)
    assert said in refused(tmp_path / "other.gguf", cache)


def test_no_file(tmp_path: Path, cache: Path) -> None:
    assert refused(tmp_path / "none.gguf", cache).endswith("none.gguf: no such file")
    (tmp_path / "folder.gguf").mkdir()
    assert refused(tmp_path / "folder.gguf", cache).endswith("folder.gguf: a folder, not a GGUF file")


def test_a_tensor_is_missing(tmp_path: Path, cache: Path) -> None:
    save_gguf(tmp_path / "part.gguf", without=["blk.0.attn_k"])
    assert "its weights lack 1 of the model's tensors (model.layers.0.self_attn.k_proj.weight)" in refused(tmp_path / "part.gguf", cache)


def test_an_architecture_that_transformers_does_not_know(tmp_path: Path, cache: Path) -> None:
    save_gguf(tmp_path / "other.gguf", architecture="zlama")
    assert "GGUF model with architecture zlama is not supported" in refused(tmp_path / "other.gguf", cache)


def test_without_the_package_that_reads_it(whole: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(gguf, "find_spec", lambda name: None)
    assert "the package gguf, which reads it, is not installed: pip install 'gemma-eval[demo]'" in refused(whole, cache)
