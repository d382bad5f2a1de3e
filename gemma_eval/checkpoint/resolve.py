"""From settings to a checkpoint on disk, and what identifies it.

Hub repositories are downloaded through the Hub's cache. A GGUF file is dequantized once, into `paths.cache_folder()`: reading it takes most
of a minute, reading the copy a second or two.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gemma_eval.checkpoint.configuration import check_generation_config, context_length, load_config
from gemma_eval.checkpoint.files import INDEX, check_settings, check_weights, checkpoint_folder, unreadable
from gemma_eval.checkpoint.gguf import GGUF, dequantized, packaged_gguf, sha256_of
from gemma_eval.checkpoint.loading import rehearse
from gemma_eval.checkpoint.quantization import Promise, check_quantizer, promised, stored_quantization
from gemma_eval.checkpoint.tokenizer import load_image_processor, load_tokenizer
from gemma_eval.errors import ConfigError
from gemma_eval.hub.connection import connection
from gemma_eval.hub.download import Wanted, check_access, fetch
from gemma_eval.hub.snapshot import Snapshot, open_snapshot
from gemma_eval.settings import CheckpointRef, Quantization, RunConfig, TransformersConfig, unlocked

TOKENIZER_FILES = ["*.json", "*.model", "*.jinja", "*.txt"]
WEIGHT_FILES = ["*.safetensors"]


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
    def model_config(self) -> Any:
        """The model's configuration, a `PreTrainedConfig`. Raises `ConfigError` if transformers can make none of its config.json."""
        return load_config(self.path)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The same as JSON: config.json, with transformers' defaults for what it leaves out."""
        found: dict[str, Any] = self.model_config.to_dict()
        return found

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, a transformers one. Raises `ConfigError` if there is none, or another model's."""
        return load_tokenizer(self.path, self.model_config)

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

    Raises `ConfigError` if it cannot be had, if its files are not whole or not of one model, or if its config.json contradicts `weights=`.
    """
    found = _promising(config, _resolve(config, weights))
    check_settings(found.path)
    check_generation_config(found.path)
    if weights:
        _check_loadable(config, found)
    _ = found.tokenizer
    return found


def _check_loadable(config: RunConfig, found: Checkpoint) -> None:
    """Raise `ConfigError` for what would fail when the model is loaded, or go wrong without a word."""
    check_weights(found.path, quantized=found.stored_quantization is not None)
    if found.stored_quantization is None:
        rehearse(found.path, found.name, reads_images=found.reads_images)
    elif isinstance(config.backend, TransformersConfig):  # other engines have loaders of their own
        check_quantizer(found.name, found.config)
    if found.reads_images:
        load_image_processor(found.path)


def _promising(config: RunConfig, found: Checkpoint) -> Checkpoint:
    """The checkpoint with what `weights=` promises of it."""
    promise = promised(config, found.config)
    if promise is None:
        quantization = found.stored_quantization
    else:
        quantization = None if promise.quantization is Quantization.none else promise.quantization.value
    identity = found.identity | ({"quantization": quantization} if quantization else {})
    return replace(found, identity=identity, promise=promise)


def _resolve(config: RunConfig, weights: bool) -> Checkpoint:
    if config.model.path is not None:
        path = _expanded(config.model.path)
        if path.suffix.lower() == GGUF:
            return _local_gguf(path, config.model.context_length)
        identity = {"path": path.resolve().name, "content": _content_hash(checkpoint_folder(path))}
        return Checkpoint(path, identity, context_length(path, config.model.context_length))
    ref = checkpoint_ref(config)
    if ref.package:
        assert ref.sha256
        path = dequantized(ref.package, ref.sha256, partial(packaged_gguf, ref))
        return Checkpoint(path, {"package": ref.package, "sha256": ref.sha256}, config.model.context_length)
    snapshot = _fetched(ref, weights)
    path = snapshot.folder
    if ref.gguf:
        gguf = path / _gguf_name(snapshot, ref.gguf)
        digest = hashlib.sha256(f"{ref.repo}@{snapshot.commit}/{gguf.name}".encode()).hexdigest()
        path = dequantized(gguf.stem, digest, lambda: gguf)
    return Checkpoint(path, {"repo": ref.repo or "", "commit": snapshot.commit}, config.model.context_length)


def hub_repository(config: RunConfig) -> str | None:
    """The Hub repository that the settings name; None for a local checkpoint, or one from a Python package."""
    return checkpoint_ref(config).repo if config.model.path is None else None


def wanted_files(config: RunConfig, *, weights: bool = True) -> list[Wanted]:
    """The files that the checkpoint needs from the Hub; none for a local one. Its gate is checked, and nothing is fetched.

    Raises `ConfigError` or `HubError` if it cannot be had.
    """
    if config.model.path is not None or not (ref := checkpoint_ref(config)).repo:
        return []
    wanted = _wanted(ref, weights)
    check_access(connection(), wanted)
    return [wanted]


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
    found: CheckpointRef = OmegaConf.to_object(OmegaConf.merge(unlocked(OmegaConf.structured(CheckpointRef)), ref))  # type: ignore[assignment]
    if config.model.revision and not found.repo:
        raise ConfigError(f"model.revision={config.model.revision}: this checkpoint is not from the Hub: leave it out")
    return replace(found, revision=config.model.revision or found.revision)


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"model.path={path}: {error}") from error


def _content_hash(path: Path) -> str:
    """Hash of a local checkpoint: small files whole, weight files by size and 64 evenly spaced blocks (27B is 54 GB)."""
    digest = hashlib.sha256()
    for file in sorted([*path.glob("*.json"), *path.glob("*.safetensors"), *path.glob("*.bin")]):
        try:
            _hash(file, digest)
        except OSError as error:
            raise unreadable(file, error) from error
    return digest.hexdigest()


def _hash(file: Path, digest: Any) -> None:
    size = file.stat().st_size
    digest.update(f"{file.name}:{size}\n".encode())
    with file.open("rb") as stream:
        if size <= 64 << 20:
            digest.update(stream.read())
            return
        for block in range(64):
            stream.seek(block * (size - (1 << 16)) // 63)
            digest.update(stream.read(1 << 16))


def _wanted(ref: CheckpointRef, weights: bool) -> Wanted:
    """The files of a Hub repository that are read. Raises `HubError`, or `ConfigError` if it has no weights of the kind wanted."""
    assert ref.repo
    snapshot = open_snapshot(connection(), ref.repo, "model", ref.revision)
    if ref.gguf:
        return Wanted(snapshot, (_gguf_name(snapshot, ref.gguf),))
    names = _matching(snapshot, TOKENIZER_FILES)
    if weights:
        found = _matching(snapshot, WEIGHT_FILES)
        if not found:
            where = "on the Hub" if snapshot.whole else "in the cache, and the Hub cannot be reached"
            raise ConfigError(f"{ref.repo}: no weights (*.safetensors) {where} at commit {snapshot.commit}: choose another weights=")
        names += found
    return Wanted(snapshot, tuple(names))


def _fetched(ref: CheckpointRef, weights: bool) -> Snapshot:
    """A snapshot whose files are in the Hub's cache."""
    wanted = _wanted(ref, weights)
    for error in fetch(connection(), [wanted]).values():
        raise error
    snapshot = wanted.snapshot
    index = snapshot.folder / INDEX
    if weights and not ref.gguf and index.is_file():
        shards = sorted({*json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()})
        if absent := [name for name in shards if not (snapshot.folder / name).is_file()]:
            raise ConfigError(f"{ref.repo}: {', '.join(absent)} not in the cache, and the Hub cannot be reached: connect once")
    return snapshot


def _matching(snapshot: Snapshot, patterns: list[str]) -> list[str]:
    """The files at the root of a repository whose names match."""
    return [name for name in snapshot.files if "/" not in name and any(fnmatch(name, pattern) for pattern in patterns)]


def _gguf_name(snapshot: Snapshot, pattern: str) -> str:
    """The one file that a pattern names. Raises `ConfigError`, with the choices, if it names none or several."""
    found = [name for name in snapshot.files if fnmatch(name, pattern)]
    if len(found) != 1:
        choices = ", ".join(found or [name for name in snapshot.files if name.endswith(".gguf")]) or "no .gguf file"
        raise ConfigError(f"{snapshot.repo}: {pattern!r} names {len(found)} files, and one is needed; it has {choices}")
    return found[0]


def _local_gguf(file: Path, otherwise: int) -> Checkpoint:
    if not file.is_file():
        raise ConfigError(f"model.path={file}: {'a folder, not a GGUF file' if file.is_dir() else 'no such file'}")
    sha256 = sha256_of(file)
    path = dequantized(file.stem, sha256, lambda: file)
    return Checkpoint(path, {"path": file.name, "sha256": sha256}, context_length(path, otherwise))
