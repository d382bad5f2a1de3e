"""usage.json and memory.json: what a run has spent so far, over all its starts and all its processes."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gemma_eval.runtime.environment import peak_memory
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import Usage

USAGE, MEMORY = "usage.json", "memory.json"


class UsageLog:
    """Tokens, seconds and the engine's methods per task, added up over resumes.

    Answers arrive in bursts, one a forward pass; the time that a burst was waited for is shared among its tasks by tokens.
    """

    SAVE_SECONDS = 10.0
    BURST_SECONDS = 0.02  # the next answer of a burst is there nearly at once; a forward pass takes more (or little enough not to matter)

    def __init__(self, directory: RunDir) -> None:
        self._directory = directory
        self._totals: dict[str, dict[str, Any]] = directory.read_json(USAGE, {})
        self._burst: Counter[str] = Counter()
        self._burst_seconds = 0.0
        self._waiting = self._saved = time.monotonic()

    def wait(self) -> None:
        """The answers so far are dealt with: from here on, the next one is waited for."""
        self._waiting = time.monotonic()

    def add(self, task: str, usage: Usage, method: str) -> None:
        now = time.monotonic()
        if now - self._waiting > self.BURST_SECONDS:
            self._end_burst()
        self._burst_seconds += now - self._waiting
        self._burst[task] += usage.computed + 1
        _add(self._total(task), usage.to_json() | ({"methods": {method: 1}} if method else {}))
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
        self._directory.write_json(USAGE, self._totals)
        _keep_peaks(self._directory, peak_memory())

    close = save


def merge_spent(directory: RunDir, part: RunDir) -> None:
    """Add what another process of the run has spent: tokens and seconds as sums, memory as the most that one process had."""
    totals: dict[str, Any] = directory.read_json(USAGE, {})
    _add(totals, part.read_json(USAGE, {}))
    directory.write_json(USAGE, totals)
    (part.path / USAGE).unlink(missing_ok=True)  # so that it is not added twice
    _keep_peaks(directory, part.read_json(MEMORY, {}))


def _add(totals: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add up numbers that stand under the same names, at any depth."""
    for name, value in more.items():
        if isinstance(value, Mapping):
            _add(totals.setdefault(name, {}), value)
        else:
            totals[name] = totals.get(name, 0) + value


def _keep_peaks(directory: RunDir, peaks: Mapping[str, int]) -> None:
    before: dict[str, int] = directory.read_json(MEMORY, {})
    directory.write_json(MEMORY, before | {place: max(size, before.get(place, 0)) for place, size in peaks.items()})


def measured_rate(results: Path, fingerprint: dict[str, Any]) -> float | None:
    """Tokens computed per second over all earlier runs with the same model and engine, or None."""
    tokens, seconds = 0, 0.0
    for file in results.glob("*/environment.json"):
        usage = file.parent / "usage.json"
        if usage.is_file() and json.loads(file.read_text()).get("model") == fingerprint:
            for spent in json.loads(usage.read_text()).values():
                tokens += spent["computed"]
                seconds += spent["seconds"]
    return tokens / seconds if seconds else None
