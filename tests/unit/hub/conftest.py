"""Caches of their own, and repositories in them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from gemma_eval.hub.refusals import Kind
from gemma_eval.hub.snapshot import HubFile, Snapshot, keep_listing

FIRST, SECOND = "1" * 40, "2" * 40
REPO = "org/name"

Cached = Callable[..., Snapshot]


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that switches to the caches of a machine, by its name. Without a call, they are those of one machine."""

    def switch(machine: str) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / machine / "hub"))
        monkeypatch.setenv("GEMMA_EVAL_CACHE", str(tmp_path / machine / "gemma_eval"))

    switch("machine")
    return switch


@pytest.fixture
def cached(caches: object) -> Cached:
    """A function that puts a repository's files into the cache."""

    def write(files: dict[str, bytes], commit: str = FIRST, *, kind: Kind = "dataset", absent: tuple[str, ...] = ()) -> Snapshot:
        """`absent`: those that the Hub has and the cache does not."""
        listing = {name: HubFile(len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()}
        snapshot = Snapshot(REPO, kind, commit, listing)
        for name in files.keys() - set(absent):
            (snapshot.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (snapshot.folder / name).write_bytes(files[name])
        keep_listing(snapshot)
        return snapshot

    return write
