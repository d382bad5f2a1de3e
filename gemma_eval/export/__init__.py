"""Finished runs as pandas frames, and in the formats of other tools. Every number is that of scores.json.

from gemma_eval.export import load
runs = load(["results/a", "results/b"])
runs.scores     # every value with its interval, published value and verdict
runs.tasks      # items, failures, tokens, seconds
runs.records    # every item
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gemma_eval.errors import ConfigError
from gemma_eval.export import hub, lm_eval, tables, trackers
from gemma_eval.export.frames import Runs, load

__all__ = ["Runs", "export", "load"]

FORMS: dict[str, Callable[[Runs, Path], list[str]]] = {
    "parquet": tables.write_parquet,
    "csv": tables.write_csv,
    "lm-eval": lm_eval.write,
    "model-index": hub.write,
    "wandb": trackers.log_to_wandb,
    "mlflow": trackers.log_to_mlflow,
}


def export(runs: Runs, form: str, out: Path) -> list[str]:
    """Write `runs` below the folder `out`. Returns what was written, for people. Raises `ConfigError` for an unknown form."""
    if form not in FORMS:
        raise ConfigError(f"--to {form}: unknown. Choices: {', '.join(FORMS)}")
    return FORMS[form](runs, out)
