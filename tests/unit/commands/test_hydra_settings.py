"""Settings on the command line: composed once or in a sweep, and refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_eval.commands.hydra_settings import with_settings
from gemma_eval.commands.main import main
from gemma_eval.config.selection import run_name
from gemma_eval.errors import ConfigError, DataError
from gemma_eval.settings import RunConfig


class Command:
    """Keeps what it is given, and returns or raises what the suite's name says."""

    def __init__(self, **outcomes: int | Exception) -> None:
        self.outcomes = outcomes
        self.seen: list[tuple[str, list[str], int | None]] = []

    def __call__(self, config: RunConfig) -> int:
        self.seen.append((config.suite.name, list(config.suite.tasks), config.limit))
        outcome = self.outcomes.get(config.suite.name, 0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def test_several_suites_are_one_run() -> None:
    command = Command()
    assert with_settings(["suite=piqa,arc_easy,gsm8k", "limit=2"], command) == 0
    assert command.seen == [("piqa+arc_easy+gsm8k", ["piqa", "arc_easy", "gsm8k"], 2)]


def test_a_sweep_makes_a_run_of_each(tmp_path: object) -> None:
    command = Command()
    assert with_settings([f"results={tmp_path}", "-m", "suite=piqa,boolq", "limit=1,2"], command) == 0
    assert [(name, limit) for name, _, limit in command.seen] == [("piqa", 1), ("piqa", 2), ("boolq", 1), ("boolq", 2)]


def test_a_sweep_over_several_suites(tmp_path: object) -> None:
    command = Command()
    assert with_settings(["-m", "suite=[piqa,boolq],drop", f"results={tmp_path}"], command) == 0
    assert [tasks for _, tasks, _ in command.seen] == [["piqa", "boolq"], ["drop"]]


def test_a_sweep_goes_on_after_an_error_and_the_worst_code_counts(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    command = Command(piqa=DataError("no rows"), boolq=3, drop=ZeroDivisionError("a bug"))
    assert with_settings(["-m", "suite=piqa,boolq,drop,arc_easy", f"results={tmp_path}"], command) == 3
    assert len(command.seen) == 4
    printed = capsys.readouterr().err
    assert "error: no rows\n" in printed and "ZeroDivisionError: a bug" in printed


def test_a_sweep_with_a_choice_that_does_not_exist_runs_nothing(tmp_path: object) -> None:
    command = Command()
    with pytest.raises(ConfigError, match=r"^suite=pika: no such choice. Did you mean 'piqa'"):
        with_settings(["-m", "suite=piqa,pika", f"results={tmp_path}"], command)
    assert not command.seen


def test_each_run_of_a_sweep_has_a_name_of_its_own(tmp_path: Path) -> None:
    names: list[tuple[str, str | None]] = []

    def command(config: RunConfig) -> int:
        names.append((run_name(config), config.model.path))
        return 0

    folder = tmp_path / "a b=c#d"
    sweep = ["-m", f"results={folder}", "suite=piqa", "model=local", "model.path=exp=A/final,exp#B/final"]
    assert with_settings(sweep, command) == 0
    plain = "final-pt-local-transformers-piqa-path"
    assert names == [(f"{plain}_exp_A_final", "exp=A/final"), (f"{plain}_exp_B_final", "exp#B/final")]
    assert (folder / "multirun.yaml").is_file()


def test_a_sweep_whose_results_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^results: .*choose a folder that can be written with results=FOLDER$"):
        with_settings(["-m", f"results={tmp_path / 'file'}", "suite=piqa", "limit=1,2"], Command())


@pytest.mark.parametrize("flags", [["--config-name=x"], ["-cn", "x"], ["-limit=3"], ["--no-such-flag"]])
def test_other_flags_are_refused(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *flags]) == 2
    assert capsys.readouterr().err.startswith(f"error: {flags[0]}: no such flag")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["suite=pika"], "suite=pika: no such choice. Did you mean 'piqa'? gemma-eval run --help lists the choices"),
        (["model=[4b,1b]"], "model=[4b,1b]: choose one model. A sweep makes a run of each: -m model=4b,1b"),
        (["piqa"], "piqa: write suite=piqa"),
        (["experiment=reference_270"], "Did you mean 'reference_270m'?"),
        (["-m", "--cfg", "job"], "Only one of"),
        (["limit=0"], "limit=0: must be at least 1"),
        (["limit=many"], "could not be converted to Integer"),
        (["plugins=[my_task.py"], "plugins=[my_task.py: the list is not closed: write 'plugins=[my_task.py]'"),
        (["-m", "run=a/b"], "run=a/b: must be the name of one folder"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan", "doctor"])
def test_mistakes_get_one_line(command: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, *arguments]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and message in printed and printed.count("\n") == 1


def test_the_composed_settings_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--cfg", "job", "--resolve", "suite=card_270m,gsm8k"]) == 0
    assert "  name: card_270m+gsm8k\n  tasks:\n  - hellaswag\n" in capsys.readouterr().out
