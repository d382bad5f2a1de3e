"""What an earlier start of the same run recorded: later starts read the same commits, and notice rows that changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gemma_eval.checkpoint.resolve import hub_repository
from gemma_eval.config.selection import run_name
from gemma_eval.data.dataset import current_name
from gemma_eval.errors import DataError
from gemma_eval.hub.snapshot import is_commit
from gemma_eval.settings import RunConfig
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import Provenance


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
