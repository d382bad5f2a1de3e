"""The files of a checkpoint folder: what is missing, torn, ambiguous or a stand-in is refused by name, in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gemma_eval.checkpoint.files import INDEX, WHOLE, check_settings, check_weights, checkpoint_folder, read_object
from gemma_eval.errors import ConfigError
from gemma_eval.runtime.files import LFS_POINTER
from tests.hub.models import write_sharded

LFS = LFS_POINTER + b"v1\noid sha256:0\nsize 3\n"


def refused(folder: Path, *, quantized: bool = False) -> str:
    """What is said of the weights."""
    with pytest.raises(ConfigError) as caught:
        check_weights(folder, quantized=quantized)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def put(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def cut(name: str, size: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


def linked(folder: Path) -> None:
    (folder / WHOLE).unlink()
    (folder / WHOLE).symlink_to("blobs/that-is-gone")


def integers(folder: Path) -> None:
    weights = load_file(folder / WHOLE)
    name = "model.layers.0.mlp.up_proj.weight"
    save_file(weights | {name: weights[name].to(torch.int8)}, folder / WHOLE)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / WHOLE).unlink(), "no weights (model.safetensors) there: download or copy the whole checkpoint again"),
        (cut(WHOLE, 9000), "model.safetensors: not a whole safetensors file of 9,000 bytes"),
        (cut(WHOLE, 600), "model.safetensors: not a whole safetensors file of 600 bytes"),
        (cut(WHOLE, 0), "model.safetensors: not a whole safetensors file of 0 bytes"),
        (put(WHOLE, LFS), "model.safetensors: a Git LFS pointer in place of the file: run `git lfs pull` in"),
        (linked, "model.safetensors: a link to blobs/that-is-gone, which is not there"),
        (
            put("adapter_config.json", b"{}"),
            "holds an adapter (adapter_config.json), which is not part of the weights that are scored: merge",
        ),
        (put("adapter_model.bin", b""), "holds an adapter (adapter_model.bin)"),
        (put("older.safetensors", b""), "older.safetensors: lies beside the weights and is not part of them (model.safetensors): move it"),
        (integers, "model.layers.0.mlp.up_proj.weight is stored as I8, which is quantized, but config.json says nothing of a quantization"),
    ],
)
def test_weights_that_cannot_be_relied_on(folder: Path, damage: Callable[[Path], object], said: str) -> None:
    check_weights(folder, quantized=False)
    damage(folder)
    assert said in refused(folder)


def test_what_may_lie_beside_weights(folder: Path) -> None:
    (folder / "consolidated.safetensors").touch()
    (folder / "optimizer.pt").touch()
    (folder / "trainer_state.json").touch()
    check_weights(folder, quantized=False)
    integers(folder)
    check_weights(folder, quantized=True)


def test_pickled_weights(folder: Path) -> None:
    torch.save(load_file(folder / WHOLE), folder / "pytorch_model.bin")
    (folder / WHOLE).unlink()
    check_weights(folder, quantized=False)
    cut("pytorch_model.bin", 9000)(folder)
    assert "pytorch_model.bin: not a whole file as `torch.save` writes it" in refused(folder)
    put("pytorch_model.bin", LFS)(folder)
    assert "pytorch_model.bin: a Git LFS pointer" in refused(folder)


class TestShards:
    """Weights in several files, which an index names."""

    @pytest.fixture
    def sharded(self, whole: Path, tmp_path: Path) -> Path:
        write_sharded(whole, tmp_path, size="6KB")
        check_weights(tmp_path, quantized=False)
        return tmp_path

    def test_one_is_missing(self, sharded: Path) -> None:
        first, *_, last = sorted(sharded.glob("*.safetensors"))
        first.unlink()
        assert f"lacks 1 of the 3 files that {INDEX} names ({first.name}): copy them there" in refused(sharded)
        last.unlink()
        assert f"lacks 2 of the 3 files that {INDEX} names ({first.name}, {last.name})" in refused(sharded)

    def test_one_is_torn(self, sharded: Path) -> None:
        last = sorted(sharded.glob("*.safetensors"))[-1]
        cut(last.name, last.stat().st_size - 1)(sharded)
        assert f"{last}: not a whole safetensors file" in refused(sharded)

    def test_the_index_is_missing(self, sharded: Path) -> None:
        (sharded / INDEX).unlink()
        assert f"{INDEX} is missing, which says what model-00001-of-00003.safetensors and the others hold" in refused(sharded)

    @pytest.mark.parametrize("content", [b"{}", b"[]", b"", b'{"weight_map": 3}', b'{"weight_map": {"a": 3}}', LFS])
    def test_the_index_says_nothing(self, sharded: Path, content: bytes) -> None:
        put(INDEX, content)(sharded)
        assert str(sharded / INDEX) in refused(sharded)

    def test_the_index_names_a_tensor_that_no_file_holds(self, sharded: Path) -> None:
        index = json.loads((sharded / INDEX).read_text())
        index["weight_map"]["model.more.weight"] = "model-00001-of-00003.safetensors"
        (sharded / INDEX).write_text(json.dumps(index))
        assert f"{INDEX}: no file holds 1 of the tensors that it names (model.more.weight)" in refused(sharded)

    def test_another_set_of_weights_beside_them(self, sharded: Path, whole: Path) -> None:
        """transformers would read the one, and vLLM the other."""
        shutil.copy(whole / WHOLE, sharded)
        assert f"holds both {WHOLE} and {INDEX}, which names other files: delete what is not of this checkpoint" in refused(sharded)

    def test_two_files_hold_the_same_tensor(self, sharded: Path) -> None:
        first, second, _ = sorted(sharded.glob("*.safetensors"))
        save_file(load_file(first) | load_file(second), first)
        assert f"{first.name} and {second.name} both hold model." in refused(sharded)


# -- settings, and the folder itself ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "processor_config.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, LFS])
def test_settings_that_cannot_be_read(tmp_path: Path, name: str, content: bytes) -> None:
    check_settings(tmp_path)
    put(name, content)(tmp_path)
    with pytest.raises(ConfigError, match=f"^{tmp_path / name}: [^\n]*(again|git lfs pull)[^\n]*$"):
        check_settings(tmp_path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ConfigError, match=r"folder.json: cannot be read \(Is a directory\): download or copy it again"):
        read_object(tmp_path / "folder.json")
    (tmp_path / "round.json").symlink_to("round.json")
    with pytest.raises(ConfigError, match=r"round.json: a link to round.json, which is not there"):
        read_object(tmp_path / "round.json")


def test_a_path_that_is_no_checkpoint(folder: Path, tmp_path: Path) -> None:
    assert checkpoint_folder(folder) == folder
    said = {
        folder / WHOLE: "a file; it must be a checkpoint folder .* give the folder that it is in",
        tmp_path / "none": "no such folder; it must be",
        tmp_path / "empty": r"no config.json there \(it is empty\)",
        tmp_path / "others": r"no config.json there \(it holds a, b, c, d, ...\)",
        tmp_path / "gguf": "no config.json there; give the GGUF file itself: model.path=.*/gguf/Model.GGUF",
        tmp_path / "adapter": r"holds an adapter \(adapter_config.json\)",
        tmp_path / "linked": "config.json: a link to gone.json, which is not there",
    }
    for name, files in {"empty": "", "others": "abcde", "gguf": ["Model.GGUF"], "adapter": ["adapter_config.json"], "linked": ""}.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).touch()
    (tmp_path / "linked" / "config.json").symlink_to("gone.json")
    for path, why in said.items():
        with pytest.raises(ConfigError, match=why):
            checkpoint_folder(path)
