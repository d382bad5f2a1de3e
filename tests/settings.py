"""Settings for tests, composed as the command line composes them."""

from __future__ import annotations

from gemma_eval.config import compose as config
from gemma_eval.settings import RunConfig


def compose(*overrides: str) -> RunConfig:
    """Typed settings of `gemma-eval run <overrides>`."""
    return config.compose(list(overrides))
