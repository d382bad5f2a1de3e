"""What a damaged input leaves behind in this process ends with its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gemma_eval.task import registry


@pytest.fixture(autouse=True)
def plugins_refused_are_forgotten() -> Iterator[None]:
    """A damaged list of plugins may name files that cannot be loaded. Errors of the project's own pages stay."""
    registry.registry()
    known = len(registry.plugin_errors())
    yield
    del registry._errors[known:]
