"""The pipeline: tasks ask, the store says what is known already, the backend answers the rest, records stream to disk."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import yaml
from omegaconf import OmegaConf

from gemma_eval.answering import Asked, answer_all, joined
from gemma_eval.backends import Backend, open_backend
from gemma_eval.build import Built, build
from gemma_eval.checkpoint import Checkpoint, resolve
from gemma_eval.config import run_name, selected_tasks
from gemma_eval.data import Source, open_source
from gemma_eval.environment import environment
from gemma_eval.errors import DataError, GemmaEvalError, PromptError
from gemma_eval.keys import request_key
from gemma_eval.parts import merge_parts
from gemma_eval.processes import this
from gemma_eval.prompt import ImageTokens, Renderer
from gemma_eval.prompt_log import has_prompts, writing_prompts
from gemma_eval.scores import other_form, write_scores
from gemma_eval.sections import Section
from gemma_eval.settings import RunConfig, ServerConfig, Variant
from gemma_eval.store import SCHEMA, RunDir
from gemma_eval.task import Task
from gemma_eval.thumbnails import Thumbnails
from gemma_eval.types import Encoded, Reader, Request

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What a run left behind. `missing` says, per task, what could not be had."""

    run: RunDir
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """Everything that is settled before the model is loaded."""

    builds: list[Built]
    asked: list[Asked]
    backend: Backend
    checkpoint: Checkpoint
    missing: dict[str, str]
    sections: Callable[[Request, Encoded], list[Section]]  # of a prompt that was encoded

    @cached_property
    def asked_of(self) -> dict[str, list[Asked]]:
        """What is asked, by task."""
        found: dict[str, list[Asked]] = {built.task.name: [] for built in self.builds}
        for item in self.asked:
            found[item.task.name].append(item)
        return found


@dataclass(frozen=True)
class Model:
    """A checkpoint and the backend that answers with it; its weights are loaded when the first request is answered, and kept."""

    checkpoint: Checkpoint
    backend: Backend


def open_model(config: RunConfig, *, weights: bool = True) -> Model:
    checkpoint = resolve(config, weights=weights and not isinstance(config.backend, ServerConfig))
    return Model(checkpoint, open_backend(config.backend, checkpoint))


def open_renderer(config: RunConfig, model: Model) -> Renderer:
    return Renderer(
        model.backend.tokenizer,
        context_length=config.backend.max_model_len or model.checkpoint.context_length,
        chat=config.variant is Variant.it,
        image_tokens=ImageTokens.of(model.checkpoint.config),
        images=config.images,
    )


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


def run(config: RunConfig, model: Model | None = None) -> Outcome:
    """Run the suite, or finish an earlier run of the same settings. `model`: one that is open already.

    In several processes, each calls this with the same settings; what the run has once is for the main one to write and to return.
    """
    directory = RunDir(Path(config.results) / run_name(config))
    processes = this()
    with processes.main_first():
        prepared = prepare(config, model)
    thumbnails = Thumbnails(directory, config.images.thumbnails)
    if not processes.main:
        return Outcome(directory, answer_all(directory, prepared.asked, prepared.backend, thumbnails, processes))
    with directory.lock():
        merge_parts(directory)  # of an earlier start that was killed
        _write_prompts(directory, prepared)
        _write_header(directory, config, prepared)
        unscored = answer_all(directory, prepared.asked, prepared.backend, thumbnails, processes)
        merge_parts(directory)
        write_scores(directory)
    return Outcome(directory, joined(prepared.missing, unscored))


def _warn_of_other_forms(config: RunConfig) -> None:
    warnings: dict[str, list[str]] = defaultdict(list)
    for task in selected_tasks(config):
        for warning in other_form(task, config.variant):
            warnings[warning].append(task.name)
    for warning, names in warnings.items():
        log.warning("variant=%s: %s: %s", config.variant.value, warning, ", ".join(names))


def _build_all(tasks: list[Task], source: Source, reader: Callable[[], Reader], missing: dict[str, str], to_score: bool) -> Iterator[Built]:
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


def _note(missing: dict[str, str], task: Task, what: str) -> None:
    """Add a part of a task that cannot be had."""
    missing[task.name] = f"{missing[task.name]}; {what}" if task.name in missing else f"{task.name}: {what}"
    log.warning("%s: %s", task.name, what)


def _left_out(missing: Mapping[str, str]) -> str:
    """The subsets that a task goes on without, those with one reason together."""
    subsets: dict[str, list[str]] = defaultdict(list)
    for subset, why in missing.items():
        subsets[why].append(subset)
    return "; ".join(f"without {', '.join(names)}: {why}" for why, names in subsets.items())


def _ask(built: Built, renderer: Renderer, backend: Backend, missing: dict[str, str]) -> Iterator[Asked]:
    refused = []
    encoded = renderer.encode([sample.request for sample in built.samples])
    for sample, ids in zip(built.samples, encoded, strict=True):
        if isinstance(ids, PromptError):
            refused.append(f"sample {sample.id}: {ids}")
        else:
            yield Asked(built.task, sample, ids, request_key(backend.fingerprint, ids))
    if refused:
        _note(missing, built.task, f"{len(refused)} of {len(encoded)} prompts cannot be sent; {refused[0]}")


def _write_header(directory: RunDir, config: RunConfig, prepared: Prepared) -> None:
    """Settings, environment and manifest: what the answers will mean."""
    settings = OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)
    assert isinstance(settings, dict)
    chosen = set(config.suite.tasks)
    settings["tasks"] = {name: task for name, task in settings["tasks"].items() if name in chosen}
    directory.write_text("config.yaml", yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    directory.write_json(
        "environment.json",
        environment()
        | {"model": prepared.backend.fingerprint, "datasets": {built.task.name: built.provenance for built in prepared.builds}},
    )
    manifest = {}
    for built in prepared.builds:
        entries = [[item.sample.id, item.key] for item in prepared.asked_of[built.task.name]]
        manifest[built.task.name] = {
            "settings": built.task.settings(),
            "size": built.size,
            "source": built.provenance["source"],
            "groups": _groups(built),
            "missing": dict(built.missing),
            "samples": entries,
        }
    directory.write_json("manifest.json", {"schema": SCHEMA, "plugins": list(config.plugins), "tasks": manifest})


def _write_prompts(directory: RunDir, prepared: Prepared) -> None:
    for name, asked in prepared.asked_of.items():
        if has_prompts(directory, name, [item.entry for item in asked]):
            continue
        with writing_prompts(directory, name) as prompts:
            for item in asked:
                sections = prepared.sections(item.sample.request, item.encoded)
                prompts.write(item.entry, item.sample.fields.get("query"), len(item.encoded.prompt), sections)


def _groups(built: Built) -> dict[str, dict[str, int]]:
    asked = Counter(built.task.group(sample.subset) for sample in built.samples)
    return {name: {"size": size, "asked": asked[name]} for name, size in built.group_sizes.items()}
