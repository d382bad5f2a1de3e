"""Where bubblewrap is missing or does not work, and for `sandbox=subprocess`, which asks for it by name."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import pytest

from gemma_eval.errors import DataError, SandboxError
from gemma_eval.run.prepare import prepare
from gemma_eval.sandbox import runner as sandbox
from gemma_eval.sandbox.runner import Outcome
from gemma_eval.settings import Sandbox
from gemma_eval.task.registry import registry
from tests.settings import compose
from tests.unit.sandbox.test_runner import CHEATS, RIGHT, TESTS


@pytest.fixture
def no_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    sandbox.check.cache_clear()


def test_missing_bubblewrap_is_named(no_bubblewrap: None) -> None:
    with pytest.raises(SandboxError, match=r"bubblewrap, which is not here: install it.*sandbox=subprocess"):
        sandbox.check.__wrapped__(Sandbox.bubblewrap)


def test_refused_namespaces_are_not_failures_of_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(broken))
    with pytest.raises(SandboxError, match=r"setting up uid map: Permission denied.*AppArmor.*sandbox=subprocess"):
        sandbox.run(RIGHT, TESTS)


def test_other_processors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(SandboxError, match="x86_64 or aarch64"):
        sandbox.check.__wrapped__(Sandbox.bubblewrap)


@pytest.mark.parametrize("name", ["sys.exit", "os._exit", "marker on stdout", "memory", "no exec"])
def test_subprocess_counts_alike(name: str) -> None:
    sandbox.check(Sandbox.subprocess)
    assert sandbox.run(CHEATS[name], TESTS, sandbox=Sandbox.subprocess) in (Outcome.failed, Outcome.killed)
    assert sandbox.run(RIGHT, TESTS, sandbox=Sandbox.subprocess) is Outcome.passed


def test_the_setting_fills_the_tasks_that_run_code(no_bubblewrap: None) -> None:
    tasks = {task.name: task for task in compose("suite.tasks=[piqa,mbpp,humaneval]", "sandbox=subprocess").tasks}
    for name in ("mbpp", "humaneval"):
        tasks[name].check_scorable()
        assert tasks[name].changed() == {}  # a risk, not another protocol
        assert tasks[name].warnings() == ["generated code ran without isolation (sandbox=subprocess)"]
        assert registry()[name]().warnings() == []
    assert tasks["piqa"].warnings() == []


def test_refused_before_the_model_is_even_looked_for(no_bubblewrap: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemma_eval.run.model.resolve", lambda *a, **k: pytest.fail("the model was asked for"))
    with pytest.raises(DataError, match=r"no task can be run:\n  mbpp: skipped: generated code runs in bubblewrap, which is not here"):
        prepare(compose("suite=mbpp", "data=samples"))
