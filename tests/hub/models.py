"""Checkpoints as model repositories, under the names that the settings give them."""

from __future__ import annotations

import shutil
from pathlib import Path

from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file

from gemma_eval.checkpoint.gguf import packaged_gguf
from gemma_eval.checkpoint.resolve import checkpoint_ref
from gemma_eval.settings import CheckpointRef
from tests.hub.catalogue import Repository, files_of
from tests.hub.server import LocalHub
from tests.settings import compose

SHARD = "4MB"  # of a sharded checkpoint; one tensor may be larger


def chosen(*overrides: str) -> CheckpointRef:
    """The checkpoint that these settings name, such as "model=270m", "weights=bf16", "variant=pt"."""
    return checkpoint_ref(compose(*overrides))


def add_model(hub: LocalHub, checkpoint: Path, *overrides: str) -> Repository:
    """Serve a checkpoint folder or a GGUF file as the Hub repository that these settings name. Files are read where they are.

    A GGUF file gets a name that fits the settings' pattern.
    """
    ref = chosen(*overrides)
    assert ref.repo, f"{overrides}: no repository of the Hub"
    if checkpoint.is_dir():
        return hub.add("models", ref.repo, files_of(checkpoint), id=ref.revision)
    assert ref.gguf, f"{overrides}: no GGUF file"
    return hub.add("models", ref.repo, {ref.gguf.replace("*", "-3-"): checkpoint}, id=ref.revision)


def write_sharded(checkpoint: Path, folder: Path, size: str = SHARD) -> None:
    """Write a copy of a checkpoint folder with its weights in several files, and their index, as large checkpoints have them."""
    shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("*.safetensors"), dirs_exist_ok=True)
    weights = load_file(checkpoint / "model.safetensors")
    save_torch_state_dict(weights, folder, max_shard_size=size, metadata={"format": "pt"})


def gguf_270m() -> Path:
    """The GGUF file of the real 270M, from its Python package."""
    return packaged_gguf(chosen("model=270m", "weights=gguf_q4_k_m"))
