"""What cannot be loaded here is refused before any data are prepared, and what was loaded is what was asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gemma_eval.backends import check_backend
from gemma_eval.backends.transformers import device
from gemma_eval.backends.transformers.load import load
from gemma_eval.checkpoint.files import WHOLE
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.errors import ConfigError
from gemma_eval.run import prepare
from gemma_eval.settings import Dtype, TransformersConfig
from tests.checkpoints import local, save_small

ABSENT = [name for name, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())) if not there]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    save_small(folder)
    return folder


@pytest.mark.parametrize("name", [*ABSENT, "cuda:99", "meta", "gpu", "cuda:-1"])
def test_a_device_that_is_not_there(name: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"^backend.device={name}: torch .* cannot use it .*; it sees cpu[^\n]*: choose one of these, or auto$"
    ):
        check_backend(TransformersConfig(device=name))


def test_devices_that_are_there() -> None:
    for name in ("auto", "cpu"):
        check_backend(TransformersConfig(device=name))


def test_a_device_map_without_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    check_backend(TransformersConfig(device_map="auto"))
    monkeypatch.setattr(device, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"backend.device_map=auto: the package accelerate is not installed: pip install accelerate"):
        check_backend(TransformersConfig(device_map="auto"))


@pytest.mark.parametrize("dtype", list(Dtype))
def test_the_dtype_is_the_settings(small: Path, dtype: Dtype) -> None:
    """Whatever config.json says: here float32."""
    assert json.loads((small / "config.json").read_text())["dtype"] == "float32"
    model = load(Checkpoint(small, {"path": "small"}, 512), TransformersConfig(device="cpu", dtype=dtype), torch.device("cpu"))
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, dtype.value)} and not model.training


def test_refusals_come_before_any_data(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_data(*arguments: object, **more: object) -> None:
        raise AssertionError("data were asked for")

    monkeypatch.setattr(prepare, "needed", no_data)
    monkeypatch.setattr(prepare, "build_all", no_data)
    config = replace(local(small), results=str(tmp_path / "results"))
    with pytest.raises(AssertionError, match="data were asked for"):
        prepare.prepare(config)
    with pytest.raises(ConfigError, match=r"^backend.device=cuda:99: "):
        prepare.prepare(replace(config, backend=replace(config.backend, device="cuda:99")))  # type: ignore[call-arg]
    save_small(tmp_path / "torn")
    (tmp_path / "torn" / WHOLE).write_bytes(b"half")
    with pytest.raises(ConfigError, match="not a whole safetensors file of 4 bytes"):
        prepare.prepare(replace(config, model=replace(config.model, path=str(tmp_path / "torn"))))
