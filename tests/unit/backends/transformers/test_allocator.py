"""Returning freed memory: often enough to matter, seldom enough to cost nothing."""

from __future__ import annotations

import pytest

from gemma_eval.backends.transformers import allocator


def test_memory_is_given_back_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    returned: list[int] = []
    clock = [0.0]
    monkeypatch.setattr(allocator, "_malloc_trim", lambda: returned.append)
    monkeypatch.setattr(allocator, "_returned", 0.0)
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    for _ in range(100):
        clock[0] += 0.1
        allocator.give_back()
    assert len(returned) == 4


def test_this_c_library_is_asked_or_left_alone() -> None:
    trim = allocator._malloc_trim()
    assert trim is None or trim(0) in (0, 1)
