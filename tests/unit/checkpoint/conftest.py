"""A small checkpoint that is whole, for each test to damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.checkpoints import save_small


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint; not to be changed."""
    folder = tmp_path_factory.mktemp("whole") / "small"
    save_small(folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "checkpoint"))
