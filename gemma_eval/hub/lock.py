"""`data.lock`: the commit of every dataset repository that was read, so that the next run reads the same rows.

It is a JSON file that can be committed and shared: {"schema": 1, "datasets": {"baber/piqa": "<commit>"}}.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from pathlib import Path

from filelock import FileLock

from gemma_eval.errors import ConfigError
from gemma_eval.hub.snapshot import is_commit
from gemma_eval.runtime import paths
from gemma_eval.runtime.files import replace_text

log = logging.getLogger(__name__)

SCHEMA = 1
MEND = "mend it, or delete it and the next run writes it anew"


class DataLock:
    """The pins of a lock file; without a file it remembers nothing. Raises `ConfigError` if the file is damaged."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._thread = threading.Lock()
        self._commits = _read(file)
        self._new: dict[str, str] = {}

    def commit(self, repo: str) -> str | None:
        """The commit at which a repository is pinned; None if it is not."""
        return self._commits.get(repo)

    def pin(self, repo: str, commit: str) -> None:
        """Pin a repository. Pins that another process wrote meanwhile stay."""
        if self.file is None or self.commit(repo) == commit:
            return
        with self._thread:
            self._commits[repo] = self._new[repo] = commit
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(_guard(self.file)):
                    self._commits = _read(self.file) | self._new
                    kept = dict(sorted(self._commits.items()))
                    replace_text(self.file, json.dumps({"schema": SCHEMA, "datasets": kept}, indent=1) + "\n")
            except OSError as error:
                log.warning("%s: cannot be written (%s); commits are recorded with the run alone", self.file, error.strerror)
                self.file = None


def _guard(file: Path) -> Path:
    """What guards a lock file while it is written: elsewhere, so that no stray file lies beside it."""
    guard = paths.cache_folder() / "locks" / hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:16]
    guard.parent.mkdir(parents=True, exist_ok=True)
    return guard


def _read(file: Path | None) -> dict[str, str]:
    if file is None or not file.is_file():
        return {}
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        schema, commits = int(value["schema"]), dict(value["datasets"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file}: not a data.lock ({error}): {MEND}") from error
    if schema > SCHEMA:
        raise ConfigError(f"{file}: has schema {schema}, which a newer version wrote: update gemma_eval")
    for repo, commit in commits.items():
        if not is_commit(commit):
            raise ConfigError(f"{file}: {repo}: {commit!r} is not a commit of 40 hex digits: {MEND}")
    return commits
