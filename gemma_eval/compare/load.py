"""Where the two sides of a comparison come from."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from gemma_eval.compare.baseline import read_baseline
from gemma_eval.compare.results import Results, of_run
from gemma_eval.store.run_dir import RunDir

RunSource: TypeAlias = Results | RunDir | Path | str
"""Results, a run directory, or the path of one or of a baseline file."""


def load(source: RunSource) -> Results:
    """Results of a run directory or baseline file. Raises `RunError` for anything else."""
    if isinstance(source, Results):
        return source
    path = source.path if isinstance(source, RunDir) else Path(source)
    return read_baseline(path) if path.is_file() else of_run(source if isinstance(source, RunDir) else RunDir.open(path))
