"""No key and no password gets into the settings of backend=server."""

from __future__ import annotations

import pytest

from gemma_eval.errors import ConfigError
from tests.settings import compose

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ([f"backend.url=http://user:{SECRET}@host/v1"], r"^backend\.url: .* before @"),
        ([f"backend.url='https://{SECRET}@host/v1'"], r"^backend\.url: .* before @"),
        (["backend.url=${oc.env:SERVER}"], r"^backend\.url: .* before @"),
        ([f"backend.url=http://user:{SECRET}@host/v1", "backend.url=http://host/v1"], r"^backend\.url: .* before @"),
        ([f"backend.url=http://host/v1?key={SECRET}"], r"^backend\.url: what follows \?"),
        ([f"backend.key_variable={SECRET}"], r"^backend\.key_variable: no environment variable"),
        ([f"backend.key_variable=sk-{SECRET}"], r"^backend\.key_variable: must be the name of an environment variable"),
        (["backend.url=http://host/v1/completions"], "without /completions"),
    ],
)
def test_settings_hold_no_secret(settings: list[str], why: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("SERVER", f"http://user:{SECRET}@host/v1")
    with pytest.raises(ConfigError, match=why) as error:
        compose("backend=server", "suite=piqa", *settings)
    assert SECRET not in f"{error.value}{caplog.text}"
