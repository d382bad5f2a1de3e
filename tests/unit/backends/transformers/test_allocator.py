"""Freed memory is returned to the system often enough to matter, and seldom enough to cost nothing."""

from __future__ import annotations

import pytest

from gemma_eval.backends.transformers import allocator


def test_memory_is_trimmed_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []
    clock = [0.0]
    monkeypatch.setattr(allocator, "_malloc_trim", lambda: trimmed.append)
    monkeypatch.setattr(allocator, "_trimmed", 0.0)
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    for _ in range(100):
        clock[0] += 0.1
        allocator.trim_memory()
    assert len(trimmed) == 4


def test_this_c_library_is_asked_or_left_alone() -> None:
    trim = allocator._malloc_trim()
    assert trim is None or trim(0) in (0, 1)
