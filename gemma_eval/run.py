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
from gemma_eval.config import run_name, selected_tasks, weights_label
from gemma_eval.data import Source, open_source
from gemma_eval.environment import environment, peak_memory
from gemma_eval.errors import DataError, GemmaEvalError, PromptError, RunError
from gemma_eval.keys import prompt_sha256, request_key
from gemma_eval.progress import reporter
from gemma_eval.prompt import Renderer
from gemma_eval.scorer import Scorer
from gemma_eval.settings import RunConfig, ServerConfig, Variant
from gemma_eval.store import SCHEMA, Entry, RunDir
from gemma_eval.summary import summarize, task_from_settings, with_usage
from gemma_eval.task import Task, load_plugins
from gemma_eval.types import Encoded, Reader, Record, Response, Sample, Usage

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


@dataclass(frozen=True)
class Model:
    """A checkpoint and the backend that answers with it; its weights are loaded when the first request is answered, and kept."""

    checkpoint: Checkpoint
    backend: Backend


def open_model(config: RunConfig, *, weights: bool = True) -> Model:
    checkpoint = resolve(config, weights=weights and not isinstance(config.backend, ServerConfig))
    return Model(checkpoint, open_backend(config.backend, checkpoint))


def prepare(config: RunConfig, model: Model | None = None, *, weights: bool = True) -> Prepared:
    """Data, prompts and keys of the suite. Raises `GemmaEvalError` where nothing can be run. Without `weights`, for a plan alone."""
    missing: dict[str, str] = {}
    _warn_of_other_forms(config)
    source = open_source(root=config.data.root, samples=config.data.samples)

    @cache  # opened once, and not before it is known that there is something to ask
    def opened() -> tuple[Model, Renderer]:
        ready = model or open_model(config, weights=weights)
        longest = config.backend.max_model_len or ready.checkpoint.context_length
        return ready, Renderer(ready.backend.tokenizer, context_length=longest, chat=config.variant is Variant.it)

    builds = list(_build_all(selected_tasks(config), source, lambda: opened()[1], missing, to_score=weights))
    if not builds:
        raise DataError("no task can be run:\n  " + "\n  ".join(missing.values()))
    chosen, renderer = opened()
    asked = [item for built in builds for item in _ask(built, renderer, chosen.backend, missing)]
    return Prepared(builds, asked, chosen.backend, chosen.checkpoint, missing)


def run(config: RunConfig, model: Model | None = None) -> Outcome:
    """Run the suite, or finish an earlier run of the same settings. `model`: one that is open already."""
    directory = RunDir(Path(config.results) / run_name(config))
    prepared = prepare(config, model)
    with directory.lock():
        _write_header(directory, config, prepared)
        unscored = _answer_all(directory, prepared.asked, prepared.backend)
        write_scores(directory)
    return Outcome(directory, prepared.missing | unscored)


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


def _groups(built: Built) -> dict[str, dict[str, int]]:
    asked = Counter(built.task.group(sample.subset) for sample in built.samples)
    return {name: {"size": size, "asked": asked[name]} for name, size in built.group_sizes.items()}


def _answer_all(directory: RunDir, asked: list[Asked], backend: Backend) -> dict[str, str]:
    """Ask the backend what the store does not know, each distinct request once; append each answer as it arrives.

    An answer whose scoring takes time is appended at once without scores, and again with them. Returns what could not be scored, by task.
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
            for item in items:
                record = _unscored(item, response)
                if item.task.slow_scoring and (item.task.name, item.entry) not in stored:
                    appenders[item.task.name].write(record)
                    stored.add((item.task.name, item.entry))
                scorer.put(item.task, record)

        for key, items in waiting.items():
            if key in responses:
                keep(items, responses[key], Usage())
        for answer in backend.answer([items[0].encoded for items in unknown]):
            keep(unknown[answer.index], answer.response, answer.usage, answer.method)
    return scorer.failed


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
        for group, found in summary.get("groups", {}).items():
            found |= entry["groups"][group]
        tasks[name] = summary | {
            "asked": len(entry["samples"]),
            "missing": entry.get("missing", {}),
            "methods": spent.get("methods", {}),
            "source": entry["source"],
            "num_fewshot": task.num_fewshot,
            "changed": task.changed(),
            "comparable": task.comparable,
            "undisclosed": task.undisclosed,
            "warnings": [*other_form(task, Variant(config.variant)), *task.warnings()],
        }
    model = {
        "size": config.model.size,
        "variant": config.variant,
        "weights": weights_label(config),
        "backend": config.backend.name,
        "dtype": config.backend.get("dtype"),
    }
    scores = {
        "schema": SCHEMA,
        "run": directory.name,
        "model": model,
        "peak_memory": directory.read_json("memory.json", {}),
        "tasks": tasks,
    }
    directory.write_json("scores.json", scores)
    return scores


def other_form(task: Task, variant: Variant) -> list[str]:
    """What a reader must know where form and variant do not match: either may be meant, but neither is what the card states."""
    if task.chat and variant is Variant.pt:
        return ["chat form without a chat template"]
    return ["completion form in a chat turn"] if variant is Variant.it and not task.chat else []


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
