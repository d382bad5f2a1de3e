"""What a run keeps that ends early: all answers, since they are on disk as they arrive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_eval.commands.stopping import Stopped
from gemma_eval.errors import DiskError, GemmaEvalError
from gemma_eval.runtime.disk import check_writable, disk_error
from gemma_eval.runtime.processes import this

if TYPE_CHECKING:
    from gemma_eval.settings import RunConfig
    from gemma_eval.store.run_dir import RunDir

RESULTS = "results=FOLDER"


@contextmanager
def naming_kept_answers(config: RunConfig) -> Iterator[None]:
    """If the run of these settings is stopped, or its disk fails, say how many answers it keeps and where.

    Raises `DiskError`, before anything is computed, if nothing can be written there.
    """
    from gemma_eval.run.earlier import run_directory

    directory = run_directory(config)
    if this().main:
        check_writable(directory.path, RESULTS)
    try:
        yield
    except Stopped as stop:
        stop.kept = _kept_answers(directory) or "no answer was computed yet; the same command starts again"
        raise
    except Exception as error:
        if told := disk_error(error, {RESULTS: Path(config.results)}):
            raise DiskError("; ".join(filter(None, [str(told), _kept_answers(directory)]))) from error
        raise


def _kept_answers(directory: RunDir) -> str:
    """How many answers the run has; empty if it has none."""
    with suppress(GemmaEvalError, OSError):  # what is damaged is for the next command to say
        count = sum(len(directory.answers(name)) for name in directory.manifest.tasks) if directory.has_manifest else 0
        if count:
            answers = "1 answer is" if count == 1 else f"{count:,} answers are"
            return f"{answers} kept in {directory.path}; the same command goes on"
    return ""
