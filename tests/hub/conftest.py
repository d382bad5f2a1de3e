"""A local Hub for each test, and the benchmarks as repositories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.repositories import add_benchmarks, write_repositories
from tests.hub.server import LocalHub


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    """A local Hub without repositories."""
    with LocalHub() as hub:
        yield hub


@pytest.fixture(scope="session")
def sample_repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a repository for each dataset that tasks read, made of the bundled samples."""
    root = tmp_path_factory.mktemp("repositories")
    write_repositories(root)
    return root


@pytest.fixture
def benchmark_hub(hub: LocalHub, sample_repositories: Path) -> LocalHub:
    """A local Hub with all datasets that tasks read, made of the bundled samples."""
    add_benchmarks(hub, sample_repositories)
    return hub


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of a child process's caches."""
    return tmp_path / "home"
