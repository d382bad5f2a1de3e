"""What an earlier start of the same run recorded: later starts read the same commits, and notice rows that changed."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from gemma_eval.checkpoint.resolve import hub_repository
from gemma_eval.config.selection import run_name
from gemma_eval.data.dataset import current_name
from gemma_eval.errors import DataError, RunError
from gemma_eval.hub.snapshot import is_commit
from gemma_eval.settings import RunConfig, ServerConfig
from gemma_eval.store.manifest import Manifest, united
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import JSON, ModelLabel, Provenance

log = logging.getLogger(__name__)


def run_directory(config: RunConfig) -> RunDir:
    """Where a run of these settings is kept."""
    return RunDir(Path(config.results) / run_name(config))


def recorded_rows(config: RunConfig) -> Mapping[str, Provenance]:
    """By task, where the rows of an earlier start came from; empty for a new run."""
    directory = run_directory(config)
    return directory.environment.datasets if directory.has_manifest else {}


def recorded_commits(rows: Mapping[str, Provenance]) -> dict[str, str]:
    """By repository, the commits that were read."""
    return {repo: commit for found in rows.values() for repo, commit in _commits(found).items()}


def _commits(found: Provenance) -> Mapping[str, str]:
    """By repository; a run of an earlier version has the commit of a single repository in `revision` alone."""
    alone = {current_name(found.repo): found.revision} if found.source == "hub" and is_commit(found.revision) else {}
    return found.commits or alone


def with_recorded_model(config: RunConfig) -> RunConfig:
    """The settings with the model's commit of an earlier start, unless they name a revision or another repository."""
    directory = run_directory(config)
    if config.model.revision or not directory.has_manifest:
        return config
    recorded = directory.environment.model.get("checkpoint") or {}
    repo = hub_repository(config)
    if not isinstance(recorded, dict) or repo is None or recorded.get("repo") != repo or not recorded.get("commit"):
        return config
    return replace(config, model=replace(config.model, revision=recorded["commit"]))


def check_unchanged(task: str, before: Provenance | None, now: Provenance) -> None:
    """Raise `DataError` if the rows are not those that an earlier start of the run read."""
    if before is None or not before.rows_sha256 or before.rows_sha256 == now.rows_sha256:
        return
    raise DataError(
        f"{task}: the rows of {now.repo} have changed since this run's earlier start: {before.rows:,} rows of {before.revision} then, "
        f"{now.rows:,} rows of {now.revision} now. What the run has of the task stays as it is; data.update=true asks the new rows, and "
        "run=NAME starts another run"
    )


def continued(
    directory: RunDir, asked: Manifest, config: RunConfig, engine: Mapping[str, JSON], choosing: Mapping[str, Collection[str]]
) -> Manifest:
    """What a run asks that is started again with the manifest `asked`. `engine`: the fingerprint of today's model and engine.

    Raises `RunError`, naming what differs, where scores of the run would be replaced or mixed with others. A run without any answer has
    nothing to lose.
    """
    before = directory.manifest
    try:
        kept = united(before, asked, engine=_differences(directory, asked, engine), choosing=choosing, renewed=config.data.update)
        _check_same_server(directory, config, asked)
    except RunError as error:
        if any(directory.answers(task) for task in before.tasks):
            raise RunError(f"{directory.path}: {error}") from error
        return asked
    return kept


def _differences(directory: RunDir, asked: Manifest, engine: Mapping[str, JSON]) -> list[str]:
    """How model and engine differ from those of the earlier start, in words."""
    before, recorded = directory.manifest, directory.environment.model
    found = [*_label_changes(before.model, asked.model), *_engine_changes(recorded, engine)]
    if not recorded and before.tasks.keys() - asked.tasks.keys():  # the request keys of tasks that are asked again would tell
        found.append("its environment.json does not say which")
    return list(dict.fromkeys(found))


def _label_changes(before: ModelLabel, now: ModelLabel) -> list[str]:
    """How the choices differ that a fingerprint may not show, such as the chat template's."""
    return [f"{name} {old} then, {new} now" for name, old in asdict(before).items() if (new := getattr(now, name)) != old]


def _engine_changes(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """How the fingerprints differ; empty for a run that kept none."""
    found: list[str] = []
    for key in dict.fromkeys([*before, *now]) if before else ():
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _engine_changes(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{prefix}{key} {_short(old)} then, {_short(new)} now")
    return found


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."


def _check_same_server(directory: RunDir, config: RunConfig, asked: Manifest) -> None:
    """A server may move while its run is not finished. Where nothing is left to ask of it, another address is another server.

    Raises `RunError` then.
    """
    before = _recorded_address(directory)
    now = _address(config.backend.url) if isinstance(config.backend, ServerConfig) else None
    if before is None or now is None or before == now:
        return
    if all(_answered(directory, name) >= set(task.samples) for name, task in asked.tasks.items()):
        raise RunError(f"every answer is of the server {before}, and none is left to ask of {now}; choose another name with run=NAME")
    log.warning("%s: answers so far are of %s, and the others are asked of %s", directory.name, before, now)


def _answered(directory: RunDir, task: str) -> set[SampleKey]:
    return {SampleKey(record.id, record.key) for record in directory.answers(task)}


def _recorded_address(directory: RunDir) -> str | None:
    """The server of the earlier start; None if its settings do not say."""
    try:
        settings = yaml.safe_load((directory.path / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    backend = settings.get("backend") if isinstance(settings, dict) else None
    url = backend.get("url") if isinstance(backend, dict) else None
    return _address(url) if isinstance(url, str) else None


def _address(url: str) -> str:
    """Where a server is, without user and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
