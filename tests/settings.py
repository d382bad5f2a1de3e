"""Settings for tests, composed as the command line composes them."""

from __future__ import annotations

from hydra import compose as hydra_compose
from hydra import initialize_config_dir

from gemma_eval import paths
from gemma_eval.config import allow_engine_args, register_schema, to_run_config
from gemma_eval.settings import RunConfig


def compose(*overrides: str) -> RunConfig:
    """Typed settings of `gemma-eval run <overrides>`."""
    register_schema()
    with initialize_config_dir(str(paths.CONF), version_base="1.3"):
        return to_run_config(hydra_compose("config", overrides=allow_engine_args(list(overrides))))
