"""The pipeline: tasks ask, the store says what is known already, the backend answers the rest, records stream to disk."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from gemma_eval.backends import Backend, open_backend
from gemma_eval.build import Built, build
from gemma_eval.checkpoint import resolve
from gemma_eval.config import run_name, selected_tasks
from gemma_eval.data import Source, open_source
from gemma_eval.environment import environment
from gemma_eval.errors import DataError, GemmaEvalError, PromptError, RunError, UnansweredError
from gemma_eval.keys import prompt_sha256, request_key
from gemma_eval.progress import reporter
from gemma_eval.prompt import ImageTokens, Renderer
from gemma_eval.scorer import Scorer
from gemma_eval.settings import ImagesConfig, RunConfig, Variant
from gemma_eval.store import SCHEMA, Entry, RunDir
from gemma_eval.summary import summarize, with_usage
from gemma_eval.task import Task, load_plugins, registry
from gemma_eval.types import Encoded, Record, Response, Sample, Usage

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
    missing: dict[str, str]


def prepare(config: RunConfig, *, weights: bool = True) -> Prepared:
    """Data, prompts and keys of the suite. Raises `GemmaEvalError` where nothing can be run. Without `weights`, for a plan alone."""
    missing: dict[str, str] = {}
    source = open_source(root=config.data.root, samples=config.data.samples)
    builds = list(_build_all(selected_tasks(config), source, missing, to_score=weights))
    if not builds:
        raise DataError("no task can be run:\n  " + "\n  ".join(missing.values()))
    checkpoint = resolve(config, weights=weights)
    backend = open_backend(config.backend, checkpoint)
    renderer = Renderer(
        backend.tokenizer,
        context_length=checkpoint.context_length,
        chat=config.variant is Variant.it,
        image_tokens=ImageTokens.of(checkpoint.config),
        images=config.images,
    )
    asked = [item for built in builds for item in _ask(built, renderer, backend, missing)]
    return Prepared(builds, asked, backend, missing)


def run(config: RunConfig) -> Outcome:
    """Run the suite, or finish an earlier run of the same settings."""
    directory = RunDir(Path(config.results) / run_name(config))
    prepared = prepare(config)
    with directory.lock():
        _write_header(directory, config, prepared)
        unscored = _answer_all(directory, prepared.asked, prepared.backend)
        write_scores(directory)
    return Outcome(directory, _joined(prepared.missing, unscored))


def _build_all(tasks: list[Task], source: Source, missing: dict[str, str], to_score: bool) -> Iterator[Built]:
    for task in tasks:
        try:
            if to_score:
                task.check_scorable()
            yield build(task, source)
        except GemmaEvalError as error:
            missing[task.name] = str(error) if task.name in str(error) else f"{task.name}: {error}"
            log.warning("%s: skipped: %s", task.name, error)


def _ask(built: Built, renderer: Renderer, backend: Backend, missing: dict[str, str]) -> Iterator[Asked]:
    refused = []
    encoded = renderer.encode([sample.request for sample in built.samples])
    for sample, ids in zip(built.samples, encoded, strict=True):
        if isinstance(ids, PromptError):
            refused.append(f"sample {sample.id}: {ids}")
        else:
            yield Asked(built.task, sample, ids, request_key(backend.fingerprint, ids))
    if refused:
        missing[built.task.name] = f"{built.task.name}: {len(refused)} of {len(encoded)} prompts cannot be sent; {refused[0]}"
        log.warning("%s", missing[built.task.name])


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
            "samples": entries,
        }
    directory.write_json("manifest.json", {"schema": SCHEMA, "plugins": list(config.plugins), "tasks": manifest})


def _answer_all(directory: RunDir, asked: list[Asked], backend: Backend) -> dict[str, str]:
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
    before = Counter(item.task.name for item in asked) - counts
    unknown = [items for key, items in waiting.items() if key not in responses]
    with ExitStack() as stack:
        appenders = {name: stack.enter_context(directory.append(name)) for name in counts}
        progress = stack.enter_context(reporter(dict(counts), dict(before)))
        usage = stack.enter_context(closing(_UsageLog(directory)))
        unseen: dict[str, Usage] = {}  # by key: what progress was not told of yet

        def done(task: Task, record: Record) -> None:
            if record.scores or (task.name, Entry(record.id, record.key)) not in stored:
                appenders[task.name].write(record)
            progress.advance(task.name, unseen.pop(record.key, Usage()))

        scorer = stack.enter_context(Scorer(done))

        def keep(items: list[Asked], response: Response, spent: Usage) -> None:
            usage.add(items[0].task.name, spent)
            unseen[items[0].key] = spent
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
                keep(unknown[answer.index], answer.response, answer.usage)
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
    """Tokens and seconds per task, added up over resumes.

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

    def add(self, task: str, usage: Usage) -> None:
        now = time.monotonic()
        if now - self._last > self.BURST_SECONDS:
            self._end_burst()
        self._burst_seconds += now - self._last
        self._last = now
        self._burst[task] += usage.computed + 1
        total = self._total(task)
        for name, count in usage.to_json().items():
            total[name] += count
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

    close = save


# -- scores from a run directory alone --------------------------------------------------------------------------


def write_scores(directory: RunDir) -> dict[str, Any]:
    """Write scores.json from manifest, records and usage."""
    manifest = directory.read_json("manifest.json")
    config = OmegaConf.load(directory.path / "config.yaml")
    usage = directory.read_json("usage.json", {})
    tasks: dict[str, Any] = {}
    for name, entry in manifest["tasks"].items():
        records = directory.records(name)
        if not records:
            continue
        task = task_from_settings(name, entry["settings"])
        spent = usage.get(name, {"prompt": 0, "computed": 0, "generated": 0, "seconds": 0.0})
        tokens = Usage(spent["prompt"], spent["computed"], spent["generated"])
        summary = with_usage(summarize(task, records, entry["size"]), tokens, spent["seconds"])
        tasks[name] = summary | {
            "asked": len(entry["samples"]),
            "source": entry["source"],
            "num_fewshot": task.num_fewshot,
            "changed": task.changed() | (_changed_images(config) if task.vision else {}),
            "comparable": task.comparable,
            "undisclosed": task.undisclosed,
            "warnings": task.warnings(),
        }
    model = {
        "size": config.model.size,
        "variant": config.variant,
        "weights": config.weights.name if config.model.path is None else "local",
        "backend": config.backend.name,
        "dtype": config.backend.get("dtype"),
    }
    scores = {"schema": SCHEMA, "run": directory.name, "model": model, "tasks": tasks}
    directory.write_json("scores.json", scores)
    return scores


def _changed_images(config: Any) -> dict[str, Any]:
    """What a run's image settings change of the report's protocol."""
    own, chosen = asdict(ImagesConfig()), config.get("images", {})
    matter = chosen if chosen.get("pan_and_scan") else {"limit"}  # without Pan & Scan its thresholds change nothing
    return {f"images.{name}": value for name, value in chosen.items() if name in matter and value != own[name]}


def task_from_settings(name: str, settings: dict[str, Any]) -> Task:
    """A task as it was configured in a finished run. Raises `RunError` if its page is gone or has other fields now."""
    if name not in registry():
        raise RunError(f"the run has task {name!r}, which is not registered: load its plugin")
    try:
        merged = OmegaConf.merge(OmegaConf.structured(registry()[name]), settings)
        return OmegaConf.to_object(merged)  # type: ignore[return-value]
    except Exception as error:
        raise RunError(f"task {name!r} no longer has the settings of this run: {error}") from error


def rescore(directory: RunDir) -> int:
    """Score a finished run's answers again, with today's metrics and without a model. Returns how many records changed."""
    manifest = directory.read_json("manifest.json")
    load_plugins(manifest["plugins"])
    tasks = {name: task_from_settings(name, entry["settings"]) for name, entry in manifest["tasks"].items()}
    for task in tasks.values():
        task.check_scorable()
    with directory.lock():
        found = [_rescore_task(directory, name, task) for name, task in tasks.items()]
        write_scores(directory)
    if failed := [why for _, failures in found for why in failures.values()]:
        raise RunError("\n".join(failed))
    return sum(changed for changed, _ in found)


def _rescore_task(directory: RunDir, name: str, task: Task) -> tuple[int, dict[str, str]]:
    """How many records changed, and what could not be scored; that keeps its record."""
    old = {Entry(record.id, record.key): record for record in directory.answers(name)}
    new: list[str] = []

    def done(task: Task, record: Record) -> None:
        if record.scores and record != old[Entry(record.id, record.key)]:
            appender.write(record)
            new.append(record.id)

    with directory.append(name) as appender, Scorer(done) as scorer:
        for record in old.values():
            scorer.put(task, record)
    return len(new), scorer.failed
