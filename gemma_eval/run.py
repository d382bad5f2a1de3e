"""The pipeline: tasks ask, the store says what is known already, the backend answers the rest, records stream to disk."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from gemma_eval.backends import Backend, open_backend
from gemma_eval.build import Built, build
from gemma_eval.checkpoint import Checkpoint, resolve
from gemma_eval.config import run_name, selected_tasks
from gemma_eval.data import Source, open_source
from gemma_eval.environment import environment, peak_memory
from gemma_eval.errors import DataError, GemmaEvalError, PromptError, UnansweredError
from gemma_eval.keys import prompt_sha256, request_key
from gemma_eval.prompt import ImageTokens, Renderer
from gemma_eval.prompt_log import writing_prompts
from gemma_eval.scorer import Scorer
from gemma_eval.scores import other_form, write_scores
from gemma_eval.sections import Section
from gemma_eval.settings import RunConfig, ServerConfig, Variant
from gemma_eval.store import SCHEMA, Entry, RunDir
from gemma_eval.task import Task
from gemma_eval.thumbnails import Thumbnails
from gemma_eval.types import Encoded, Reader, Record, Request, Response, Sample, Usage
from gemma_eval.watch import reporter

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """A sample, its request as token ids, and the key under which its answer is kept."""

    task: Task
    sample: Sample
    encoded: Encoded
    key: str

    @property
    def entry(self) -> Entry:
        return Entry(self.sample.id, self.key)


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
    """Run the suite, or finish an earlier run of the same settings. `model`: one that is open already."""
    directory = RunDir(Path(config.results) / run_name(config))
    prepared = prepare(config, model)
    with directory.lock():
        _write_header(directory, config, prepared)
        _write_prompts(directory, prepared)
        unscored = _answer_all(directory, prepared.asked, prepared.backend, Thumbnails(directory, config.images.thumbnails))
        write_scores(directory)
    return Outcome(directory, _joined(prepared.missing, unscored))


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
        entries = [[item.sample.id, item.key] for item in prepared.asked if item.task is built.task]
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
    for built in prepared.builds:
        with writing_prompts(directory, built.task.name) as prompts:
            for item in prepared.asked:
                if item.task is built.task:
                    sections = prepared.sections(item.sample.request, item.encoded)
                    prompts.write(item.entry, item.sample.fields.get("query"), len(item.encoded.prompt), sections)


def _groups(built: Built) -> dict[str, dict[str, int]]:
    asked = Counter(built.task.group(sample.subset) for sample in built.samples)
    return {name: {"size": size, "asked": asked[name]} for name, size in built.group_sizes.items()}


def _answer_all(directory: RunDir, asked: list[Asked], backend: Backend, thumbnails: Thumbnails) -> dict[str, str]:
    """Ask the backend what the store does not know, each distinct request once; append each answer as it arrives.

    An answer whose scoring takes time is appended at once without scores, and again with them. Returns what could not be answered or
    scored, by task.
    """
    known = {name: directory.found(name) for name in {item.task.name for item in asked}}
    stored = {(name, entry) for name, found in known.items() for entry in found}
    scored = {(name, entry) for name, found in known.items() for entry, record in found.items() if record.scores}
    todo = [item for item in asked if (item.task.name, item.entry) not in scored]
    if not todo:
        log.info("%s: all %d samples are answered already", directory.name, len(asked))
        return {}
    responses = {record.key: record.response for found in known.values() for record in found.values()}
    waiting: dict[str, list[Asked]] = defaultdict(list)  # samples that ask the very same thing share one answer
    for item in todo:
        waiting[item.key].append(item)
    counts = Counter(item.task.name for item in todo)
    earlier = [(item.task, known[item.task.name][item.entry]) for item in asked if (item.task.name, item.entry) in scored]
    unknown = [items for key, items in waiting.items() if key not in responses]
    with ExitStack() as stack:
        appenders = {name: stack.enter_context(directory.append(name)) for name in counts}
        progress = stack.enter_context(reporter(directory, [item.task for item in asked], earlier))
        usage = stack.enter_context(closing(_UsageLog(directory)))
        unseen: dict[str, Usage] = {}  # by key: what progress was not told of yet

        def done(task: Task, record: Record) -> None:
            if record.scores or (task.name, Entry(record.id, record.key)) not in stored:
                appenders[task.name].write(record)
            progress.advance(task, record, unseen.pop(record.key, Usage()))

        scorer = stack.enter_context(Scorer(done))

        def keep(items: list[Asked], response: Response, spent: Usage, method: str = "") -> None:
            usage.add(items[0].task.name, spent, method)
            unseen[items[0].key] = spent
            thumbnails.keep(span.image for span in items[0].encoded.images)
            for item in items:
                record = _unscored(item, response)
                if item.task.slow_scoring and (item.task.name, item.entry) not in stored:
                    appenders[item.task.name].write(record)
                    stored.add((item.task.name, item.entry))
                scorer.put(item.task, record)

        for key, items in waiting.items():
            if key in responses:
                keep(items, responses[key], Usage())
        unanswered: dict[str, str] = {}
        try:
            for answer in backend.answer([items[0].encoded for items in unknown]):
                keep(unknown[answer.index], answer.response, answer.usage, answer.method)
        except UnansweredError as error:
            unanswered = _unanswered([(item, why) for index, why in error.reasons.items() for item in unknown[index]])
    return _joined(unanswered, scorer.failed)


def _joined(first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    """Messages by task; a task in both has both."""
    return first | second | {name: f"{first[name]}; {second[name]}" for name in first.keys() & second.keys()}


def _unanswered(reasons: list[tuple[Asked, str]]) -> dict[str, str]:
    """By task: how many samples have no answer, and why the first has none."""
    by_task: dict[str, list[str]] = defaultdict(list)
    for item, why in reasons:
        by_task[item.task.name].append(f"sample {item.sample.id}: {why}")
    missing = {name: f"{name}: {len(why)} samples cannot be answered; {why[0]}" for name, why in by_task.items()}
    for message in missing.values():
        log.warning("%s", message)
    return missing


def _unscored(item: Asked, response: Response) -> Record:
    return Record(
        id=item.sample.id,
        subset=item.sample.subset,
        cluster=item.sample.cluster,
        prompt_sha256=prompt_sha256(item.encoded),
        key=item.key,
        response=response,
        target=item.sample.target,
        scores={},
        dropped_shots=item.encoded.dropped_shots,
        fields=item.sample.fields,
    )


class _UsageLog:
    """Tokens, seconds and the engine's methods per task, added up over resumes.

    Answers arrive in bursts, one a forward pass; the time since the last burst is shared among a burst's tasks by tokens.
    """

    SAVE_SECONDS = 10.0
    BURST_SECONDS = 0.05  # scoring and writing an answer take less, a forward pass more (or little enough not to matter)

    def __init__(self, directory: RunDir) -> None:
        self._directory = directory
        self._totals: dict[str, dict[str, Any]] = directory.read_json("usage.json", {})
        self._burst: Counter[str] = Counter()
        self._burst_seconds = 0.0
        self._last = self._saved = time.monotonic()

    def add(self, task: str, usage: Usage, method: str) -> None:
        now = time.monotonic()
        if now - self._last > self.BURST_SECONDS:
            self._end_burst()
        self._burst_seconds += now - self._last
        self._last = now
        self._burst[task] += usage.computed + 1
        total = self._total(task)
        for name, count in usage.to_json().items():
            total[name] += count
        if method:
            methods = total.setdefault("methods", {})
            methods[method] = methods.get(method, 0) + 1
        if now - self._saved > self.SAVE_SECONDS:
            self.save()

    def _total(self, task: str) -> dict[str, Any]:
        return self._totals.setdefault(task, {"prompt": 0, "computed": 0, "generated": 0, "seconds": 0.0})

    def _end_burst(self) -> None:
        tokens = self._burst.total()
        for task, count in self._burst.items():
            self._total(task)["seconds"] += self._burst_seconds * count / tokens
        self._burst.clear()
        self._burst_seconds = 0.0

    def save(self) -> None:
        self._end_burst()
        self._saved = time.monotonic()
        self._directory.write_json("usage.json", self._totals)
        before: dict[str, int] = self._directory.read_json("memory.json", {})
        self._directory.write_json("memory.json", {place: max(size, before.get(place, 0)) for place, size in peak_memory().items()})

    close = save
