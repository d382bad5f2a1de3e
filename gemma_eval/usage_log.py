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
