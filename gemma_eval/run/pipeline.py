"""The pipeline: tasks ask, the store says what is known already, the backend answers the rest, records stream to disk."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from gemma_eval.config.selection import run_name
from gemma_eval.run.dispatch import answer_all
from gemma_eval.run.manifest import _write_header, _write_prompts
from gemma_eval.run.missing import joined
from gemma_eval.run.model import Model
from gemma_eval.run.prepare import prepare
from gemma_eval.runtime.processes import this
from gemma_eval.scoring.scores_json import write_scores
from gemma_eval.settings import RunConfig
from gemma_eval.store.merge import merge_parts
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.thumbnails import Thumbnails

log = logging.getLogger(__name__)


@dataclass
class RunResult:
    """What a run left behind. `missing` says, per task, what could not be had."""

    run: RunDir
    missing: dict[str, str] = field(default_factory=dict)


def run(config: RunConfig, model: Model | None = None) -> RunResult:
    """Run the suite, or finish an earlier run of the same settings. `model`: one that is open already.

    In several processes, each calls this with the same settings; what the run has once is for the main one to write and to return.
    """
    directory = RunDir(Path(config.results) / run_name(config))
    processes = this()
    with processes.main_first():
        prepared = prepare(config, model)
    thumbnails = Thumbnails(directory, config.images.thumbnails)
    if not processes.main:
        return RunResult(directory, answer_all(directory, prepared.asked, prepared.backend, thumbnails, processes))
    with directory.lock():
        merge_parts(directory)  # of an earlier start that was killed
        _write_prompts(directory, prepared)
        _write_header(directory, config, prepared)
        unscored = answer_all(directory, prepared.asked, prepared.backend, thumbnails, processes)
        merge_parts(directory)
        write_scores(directory)
    return RunResult(directory, joined(prepared.missing, unscored))
