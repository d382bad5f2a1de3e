from __future__ import annotations

import pytest

from tests.unit.backends.server.stub import KEY_VARIABLE

KEY = "sk-test"


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts are short, and there is a key."""
    monkeypatch.setattr("gemma_eval.backends.server.client.random.uniform", lambda low, high: 0.01)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
