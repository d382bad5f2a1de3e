"""What `gate` makes of its arguments. Verdicts are tested in tests/unit/gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_eval.commands import gate
from gemma_eval.commands.main import main
from gemma_eval.errors import ConfigError
from gemma_eval.settings import RunConfig
from tests.runs import answers, write_run


def test_policy_changes_and_candidate_are_told_apart() -> None:
    assert gate.sorted_out(["results/x"]) == ("default", [], ["results/x"])
    given = ["gate=strict", "model=4b", "gate.margins.piqa=0.1", "weights=bf16", "gate.alpha=0.1"]
    assert gate.sorted_out(given) == ("strict", ["margins.piqa=0.1", "alpha=0.1"], ["model=4b", "weights=bf16"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "nothing to judge"),
        (["a", "b"], "a b to judge"),
        (["a", "model=4b"], "a model=4b to judge"),
        (["a", "--junt"], "no argument --junt"),
    ],
)
def test_what_cannot_be_judged(given: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        gate.sorted_out(given)


def test_a_driven_gate_runs_the_tasks_of_the_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write_run(tmp_path / "base", {"piqa": answers([True] * 20), "boolq": answers([True] * 20, "boolq")})
    seen: list[RunConfig] = []

    def stop(config: RunConfig, *others: object) -> None:
        seen.append(config)
        raise ConfigError("enough")

    monkeypatch.setattr("gemma_eval.commands.sequential_gate.gate_while_running", stop)
    settings = ["weights=gguf_q4_k_m", "suite=arc_easy,drop", "gate.tasks=[reasoning]"]
    assert main(["gate", *settings, "--baseline", str(base.path)]) == 3
    assert capsys.readouterr().err == "error: enough\n"
    assert [task.name for task in seen[0].tasks] == ["piqa", "boolq"]


def test_settings_of_a_driven_gate_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = write_run(tmp_path / "base", {"piqa": answers([True] * 20)})
    assert main(["gate", "model=9b", "--baseline", str(base.path)]) == 3
    assert "model=9b: no such choice" in capsys.readouterr().err
