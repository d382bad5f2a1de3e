"""What `gate` makes of its arguments. Verdicts are tested in tests/unit/gate."""

from __future__ import annotations

import os
import signal
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


@pytest.fixture
def pair(tmp_path: Path) -> list[str]:
    """Arguments of a gate that passes."""
    rights = [i % 3 > 0 for i in range(1200)]
    base, run = (write_run(tmp_path / name, {"piqa": answers(rights)}).path for name in ("base", "run"))
    return ["gate", str(run), "--baseline", str(base)]


@pytest.mark.parametrize("option", ["--junit", "--markdown", "--json", "GITHUB_STEP_SUMMARY"])
@pytest.mark.parametrize("place", ["a folder", "below a file", "/proc/none/x", "a name too long", "/dev/full"])
def test_an_output_that_cannot_be_written_is_no_verdict(
    pair: list[str], option: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"a folder": tmp_path, "below a file": tmp_path / "run/manifest.json/x", "a name too long": tmp_path / ("n" * 300)}
    file = str(places.get(place, place))
    if option.startswith("--"):
        pair += [option, file]
    else:
        monkeypatch.setenv(option, file)
    assert main(pair) == 3
    told = capsys.readouterr()
    assert told.err.startswith(f"error: {file}: ") and told.err.endswith(f"; choose another place with {option}\n")
    assert place == "/dev/full" or not told.out, "a gate that cannot tell its verdict does not begin"


def test_outputs_get_their_folders_and_what_was_there_stays_if_there_is_no_verdict(pair: list[str], tmp_path: Path) -> None:
    file = tmp_path / "new" / "gate.json"
    assert main([*pair, "--json", str(file)]) == 0 and file.is_file()
    before = file.read_text()
    assert main(["gate", str(tmp_path / "nowhere"), *pair[2:], "--json", str(file), "--junit", str(tmp_path / "gate.xml")]) == 3
    assert file.read_text() == before and not (tmp_path / "gate.xml").exists()


def test_a_bug_is_no_verdict(pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("gemma_eval.gate.judge", broken)
    assert main(pair) == 3
    told = capsys.readouterr().err
    assert told.startswith("Traceback") and "ZeroDivisionError: a bug" in told


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_no_verdict(
    number: signal.Signals, code: int, pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr("gemma_eval.gate.judge", lambda *arguments: signal.raise_signal(number))
    try:
        assert main(pair) == code and capsys.readouterr().err.count("\n") == 1
    finally:
        for each, handler in earlier.items():
            signal.signal(each, handler)


def test_a_reader_who_has_gone_does_not_change_the_verdict(pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rights = [i % 3 > 0 for i in range(1200)]
    worse = write_run(tmp_path / "worse", {"piqa": answers([right and i % 7 > 0 for i, right in enumerate(rights)])})
    for run, code in ((pair[1], 0), (str(worse.path), 1)):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as stdout:
            monkeypatch.setattr("sys.stdout", stdout)
            assert main(["gate", run, *pair[2:], "--json", str(tmp_path / "gate.json")]) == code
            monkeypatch.undo()
        assert (tmp_path / "gate.json").is_file()
        (tmp_path / "gate.json").unlink()


def test_a_full_output_is_no_verdict(pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with Path("/dev/full").open("w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        assert main(pair) == 3
        monkeypatch.undo()
    assert capsys.readouterr().err == "error: a file: No space left on device; free some space\n"


def test_settings_of_a_driven_gate_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = write_run(tmp_path / "base", {"piqa": answers([True] * 20)})
    assert main(["gate", "model=9b", "--baseline", str(base.path)]) == 3
    assert "model=9b: no such choice" in capsys.readouterr().err
