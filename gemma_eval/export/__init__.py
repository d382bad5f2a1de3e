"""Finished runs in the formats of other tools. Every number is that of scores.json."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gemma_eval.errors import ConfigError
from gemma_eval.export import hub, lm_eval, tables, trackers
from gemma_eval.export.frames import Runs

FORMS: dict[str, Callable[[Runs, Path], list[str]]] = {
    "parquet": tables.write_parquet,
    "csv": tables.write_csv,
    "lm-eval": lm_eval.write,
    "model-index": hub.write,
    "wandb": trackers.log_to_wandb,
    "mlflow": trackers.log_to_mlflow,
}


def export(runs: Runs, form: str, out: Path) -> list[str]:
    """Write `runs` below the folder `out`, and say what was written. Raises `ConfigError` for an unknown form."""
    if form not in FORMS:
        raise ConfigError(f"--to {form}: unknown. Choices: {', '.join(FORMS)}")
    return FORMS[form](runs, out)
