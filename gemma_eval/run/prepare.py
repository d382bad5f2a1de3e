"""All that is settled before the model is loaded."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from gemma_eval.backends import Backend
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.config.selection import selected_tasks
from gemma_eval.data.sources import Source, open_source
from gemma_eval.errors import DataError, GemmaEvalError, PromptError
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.prompt.sections import Section
from gemma_eval.run.missing import _left_out, _note
from gemma_eval.run.model import Model, open_model, open_renderer
from gemma_eval.settings import RunConfig
from gemma_eval.store.keys import request_key
from gemma_eval.store.records import SampleKey
from gemma_eval.task.base import Task
from gemma_eval.task.chat import other_form
from gemma_eval.task.samples import TaskSamples, build
from gemma_eval.types import Encoded, Request, Sample, TokenCounter


@dataclass(frozen=True)
class PreparedSample:
    """A sample, its request as token ids, and the key under which its answer is kept."""

    task: Task
    sample: Sample
    encoded: Encoded
    key: str

    @property
    def entry(self) -> SampleKey:
        return SampleKey(self.sample.id, self.key)


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """Everything that is settled before the model is loaded."""

    builds: list[TaskSamples]
    asked: list[PreparedSample]
    backend: Backend
    checkpoint: Checkpoint
    missing: dict[str, str]
    sections: Callable[[Request, Encoded], list[Section]]  # of a prompt that was encoded

    @cached_property
    def asked_of(self) -> dict[str, list[PreparedSample]]:
        """What is asked, by task."""
        found: dict[str, list[PreparedSample]] = {built.task.name: [] for built in self.builds}
        for item in self.asked:
            found[item.task.name].append(item)
        return found


def prepare(config: RunConfig, model: Model | None = None, *, weights: bool = True) -> Prepared:
    """Data, prompts and keys of the suite. Raises `GemmaEvalError` where nothing can be run. Without `weights`, for a plan alone."""
    missing: dict[str, str] = {}
    _warn_of_other_forms(config)
    source = open_source(root=config.data.root, samples=config.data.samples)

    @cache  # opened once, and not before it is known that there is something to ask
    def opened() -> tuple[Model, Renderer]:
        ready = model or open_model(config, weights=weights)
        return ready, open_renderer(config, ready)

    builds = list(_build_all(selected_tasks(config), source, lambda: opened()[1], missing, to_score=weights))
    if not builds:
        raise DataError("no task can be run:\n  " + "\n  ".join(missing.values()))
    chosen, renderer = opened()
    asked = [item for built in builds for item in _ask(built, renderer, chosen.backend, missing)]
    return Prepared(builds, asked, chosen.backend, chosen.checkpoint, missing, renderer.sections)


def _warn_of_other_forms(config: RunConfig) -> None:
    warnings: dict[str, list[str]] = defaultdict(list)
    for task in selected_tasks(config):
        for warning in other_form(task, config.variant):
            warnings[warning].append(task.name)
    for warning, names in warnings.items():
        log.warning("variant=%s: %s: %s", config.variant.value, warning, ", ".join(names))


def _build_all(
    tasks: list[Task], source: Source, reader: Callable[[], TokenCounter], missing: dict[str, str], to_score: bool
) -> Iterator[TaskSamples]:
    for task in tasks:
        try:
            if to_score:
                task.check_scorable()
            built = build(task, source, reader)
            if built.missing:
                _note(missing, task, _left_out(built.missing))
            yield built
        except GemmaEvalError as error:
            missing[task.name] = str(error) if task.name in str(error) else f"{task.name}: {error}"
            log.warning("%s: skipped: %s", task.name, error)


def _ask(built: TaskSamples, renderer: Renderer, backend: Backend, missing: dict[str, str]) -> Iterator[PreparedSample]:
    refused = []
    encoded = renderer.encode([sample.request for sample in built.samples])
    for sample, ids in zip(built.samples, encoded, strict=True):
        if isinstance(ids, PromptError):
            refused.append(f"sample {sample.id}: {ids}")
        else:
            yield PreparedSample(built.task, sample, ids, request_key(backend.fingerprint, ids))
    if refused:
        _note(missing, built.task, f"{len(refused)} of {len(encoded)} prompts cannot be sent; {refused[0]}")
