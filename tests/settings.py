"""Settings for tests, composed as the command line composes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from omegaconf import DictConfig

from gemma_eval.config import compose as config
from gemma_eval.settings import RunConfig
from gemma_eval.task.registry import registry

FEW = ("piqa", "gsm8k", "mbpp", "docvqa", "ruler")
"""A task of each kind: choices, published exemplars, generated code, images, generated items."""


def compose(*overrides: str) -> RunConfig:
    """Typed settings of `gemma-eval run <overrides>`."""
    return config.compose(list(overrides))


@contextmanager
def few_tasks() -> Iterator[DictConfig]:
    """The schema with the tasks `FEW` alone. Composing then takes a tenth of a second: Hydra copies all settings many times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gemma_eval.task.registry._registry", {name: registry()[name] for name in FEW})
        yield config.register_schema()
