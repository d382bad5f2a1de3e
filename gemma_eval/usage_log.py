"""usage.json and memory.json: what a run has spent so far, over all its starts."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from gemma_eval.environment import peak_memory
from gemma_eval.store import RunDir
from gemma_eval.types import Usage


class UsageLog:
    """Tokens, seconds and the engine's methods per task, added up over resumes.

    Answers arrive in bursts, one a forward pass; the time that a burst was waited for is shared among its tasks by tokens.
    """

    SAVE_SECONDS = 10.0
    BURST_SECONDS = 0.02  # the next answer of a burst is there nearly at once; a forward pass takes more (or little enough not to matter)

    def __init__(self, directory: RunDir) -> None:
        self._directory = directory
        self._totals: dict[str, dict[str, Any]] = directory.read_json("usage.json", {})
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
