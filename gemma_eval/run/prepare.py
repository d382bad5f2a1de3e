"""Everything that is settled before the model is loaded: samples, prompts and request keys."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property

from gemma_eval.backends import Backend, check_backend
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.data.sources import Source, open_source
from gemma_eval.doctor.startup import StartUp
from gemma_eval.errors import DataError, GemmaEvalError, PromptError
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.prompt.sections import Section
from gemma_eval.run.earlier import check_unchanged, recorded_commits, recorded_rows
from gemma_eval.run.fetching import fetch_needed, needed
from gemma_eval.run.missing import Missing
from gemma_eval.run.model import Model, open_model, open_renderer
from gemma_eval.settings import RunConfig
from gemma_eval.store.keys import request_key
from gemma_eval.store.records import SampleKey
from gemma_eval.task.base import Task
from gemma_eval.task.chat import other_form
from gemma_eval.task.samples import TaskSamples, build
from gemma_eval.types import Encoded, Provenance, Request, Sample, TokenCounter

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedSample:
    """A sample, its request as token ids, and the key under which its answer is kept."""

    task: Task
    sample: Sample
    encoded: Encoded
    key: str

    @property
    def sample_key(self) -> SampleKey:
        """How the manifest names it."""
        return SampleKey(self.sample.id, self.key)


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to be answered. `missing`: what it goes without so far. `startup`: None if nothing will be asked."""

    tasks: list[TaskSamples]
    samples: list[PreparedSample]
    backend: Backend
    checkpoint: Checkpoint
    missing: Missing
    sections: Callable[[Request, Encoded], list[Section]]  # of an encoded prompt
    startup: StartUp | None = None

    @cached_property
    def samples_of(self) -> dict[str, list[PreparedSample]]:
        """The samples by task, tasks without any sample included."""
        found: dict[str, list[PreparedSample]] = {built.task.name: [] for built in self.tasks}
        for item in self.samples:
            found[item.task.name].append(item)
        return found


def prepare(config: RunConfig, model: Model | None = None, *, weights: bool = True) -> Prepared:
    """Samples, prompts and keys of the suite. Raises `GemmaEvalError` if no task can be run.

    `model`: one that is open already. Without `weights`, nothing can be answered or scored: for a plan or a preview.
    """
    missing = Missing()
    _warn_of_other_forms(config)

    @cache  # the model is opened once, and one from the Hub not before some task has a sample
    def opened() -> tuple[Model, Renderer]:
        ready = model or open_model(config, weights=weights)
        return ready, open_renderer(config, ready)

    if weights:
        config = replace(config, tasks=tuple(_scorable(config.tasks, missing)))
    before = recorded_rows(config)
    source = open_data(config)
    if weights and model is None:
        check_backend(config.backend)
    if config.tasks and config.model.path is not None:
        opened()  # what is wrong with a local checkpoint is said before anything is fetched
    if config.tasks:
        fetch_needed(needed(config, source, weights=weights, model=model is None), source)
    tasks = list(build_all(config, source, before, lambda: opened()[1], missing))
    if not tasks:
        raise DataError("no task can be run:\n  " + "\n  ".join(missing.by_task().values()))
    chosen, renderer = opened()
    samples = [item for built in tasks for item in _prepare_samples(built, renderer, chosen.backend, missing)]
    startup = StartUp.of(chosen.backend, chosen.checkpoint, renderer) if weights else None
    return Prepared(tasks, samples, chosen.backend, chosen.checkpoint, missing, renderer.sections, startup)


def _warn_of_other_forms(config: RunConfig) -> None:
    warnings: dict[str, list[str]] = defaultdict(list)
    for task in config.tasks:
        for warning in other_form(task, config.variant):
            warnings[warning].append(task.name)
    for warning, names in warnings.items():
        log.warning("variant=%s: %s: %s", config.variant.value, warning, ", ".join(names))


def _scorable(tasks: Iterable[Task], missing: Missing) -> Iterator[Task]:
    """The tasks whose answers can be scored on this machine."""
    for task in tasks:
        try:
            task.check_scorable()
        except GemmaEvalError as error:
            missing.task(task.name, error)
        else:
            yield task


def open_data(config: RunConfig) -> Source:
    """Where the rows come from: the commits that an earlier start of the run read, unless newer ones are asked for."""
    data, before = config.data, recorded_commits(recorded_rows(config))
    return open_source(root=data.root, samples=data.samples, lock=data.lock, pinned=before, update=data.update)


def build_all(
    config: RunConfig, source: Source, before: Mapping[str, Provenance], counter: Callable[[], TokenCounter], missing: Missing
) -> Iterator[TaskSamples]:
    """The tasks whose rows can be had, one after the other, as samples. `before`: by task, what an earlier start of the run read."""
    for task in config.tasks:
        try:
            built = build(task, source, counter)
            if not config.data.update:
                check_unchanged(task.name, before.get(task.name), built.provenance)
        except GemmaEvalError as error:
            missing.task(task.name, error)
            continue
        missing.subsets(task.name, built.missing)
        yield built


def _prepare_samples(built: TaskSamples, renderer: Renderer, backend: Backend, missing: Missing) -> Iterator[PreparedSample]:
    refused = dict(built.refused)
    for sample, encoded in zip(built.samples, renderer.encode([sample.request for sample in built.samples]), strict=True):
        if isinstance(encoded, PromptError):
            refused[sample.id] = str(encoded)
        else:
            yield PreparedSample(built.task, sample, encoded, request_key(backend.fingerprint, encoded))
    missing.prompts(built.task.name, refused, of=len(built.samples) + len(built.refused))
