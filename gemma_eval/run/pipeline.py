"""One run: prepare the samples, answer what the store does not know, score everything."""

from __future__ import annotations

from dataclasses import dataclass, field

from gemma_eval.run.dispatch import answer_all
from gemma_eval.run.earlier import run_directory, with_recorded_model
from gemma_eval.run.header import write_header
from gemma_eval.run.model import Model
from gemma_eval.run.prepare import prepare
from gemma_eval.runtime.processes import this
from gemma_eval.scoring.scores_json import write_scores
from gemma_eval.settings import RunConfig
from gemma_eval.store.merge import merge_parts
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.thumbnails import Thumbnails


@dataclass(frozen=True)
class RunResult:
    """What a run left behind. `missing`: what it went without, a message by task."""

    run: RunDir
    missing: dict[str, str] = field(default_factory=dict)


def run(config: RunConfig, model: Model | None = None) -> RunResult:
    """Run the suite, or finish an earlier run of the same settings. `model`: one that is open already.

    In several processes, each calls this with the same settings. The main one writes and returns what the run has once.
    """
    directory = run_directory(config)
    config = with_recorded_model(config)
    processes = this()
    with processes.main_first():
        prepared = prepare(config, model)
    thumbnails = Thumbnails(directory, config.images.thumbnails)
    if not processes.main:
        return RunResult(directory, answer_all(directory, prepared, thumbnails, processes).by_task())
    with directory.lock():
        merge_parts(directory)  # those of an earlier start that was killed
        write_header(directory, config, prepared)
        missing = answer_all(directory, prepared, thumbnails, processes)
        merge_parts(directory)
        write_scores(directory)
    return RunResult(directory, prepared.missing.joined(missing).by_task())
