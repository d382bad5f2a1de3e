"""The command line's frame: every subcommand follows one protocol, and arguments that cannot be understood are refused in one line."""

from __future__ import annotations

import argparse

import pytest

from gemma_eval.commands import run, tasks
from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.dispatch import COMMANDS
from gemma_eval.commands.main import main
from gemma_eval.errors import RunError

NAMES = ["run", "plan", "preview", "doctor", "report", "export", "dashboard", "compare", "gate", "baseline", "rescore", "tasks", "data"]
WITH_SETTINGS = {"run", "plan", "preview", "doctor", "gate", "data"}


def test_every_command_is_a_module_that_follows_the_protocol() -> None:
    assert [command.NAME for command in COMMANDS] == NAMES
    for command in COMMANDS:
        assert command.__name__ == f"gemma_eval.commands.{command.NAME}"  # type: ignore[attr-defined]
        parser = CommandParser(prog=command.NAME)
        command.add_arguments(parser)
        assert parser.takes_settings is (command.NAME in WITH_SETTINGS)
        assert parser.description, command.NAME


def test_help_has_one_line_for_each_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for command in COMMANDS:
        assert f"{command.HELP}\n" in printed


@pytest.mark.parametrize("name", ["run", "plan", "preview", "doctor"])
def test_help_of_a_command_with_settings_lists_the_groups(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "limit=1", "--help"])
    printed = capsys.readouterr().out
    assert "  model: 12b, 1b, 270m, 27b, 4b, local\n" in printed and "hellaswag" in printed and "-m makes a run of each value" in printed


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tsks"], 2, "invalid choice: 'tsks'"),
        (["report"], 2, "gemma-eval report: the following arguments are required: RUN; see gemma-eval report --help"),
        (["tasks", "--plugins", "x"], 2, "gemma-eval tasks: unrecognized arguments: --plugins x"),
        (["gate", "results/x"], 3, "gemma-eval gate: the following arguments are required: --baseline"),
        (["gate", "a", "b", "--baseline", "x"], 3, "a b to judge; name one run directory"),
        (["gate", "a", "--bseline", "x"], 3, "required: --baseline"),
        (["compare", "one"], 1, "compare needs two runs or more"),
    ],
)
def test_arguments_that_are_not_understood(arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == code
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and message in printed and printed.count("\n") == 1


def test_a_refusal_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuses(arguments: argparse.Namespace) -> int:
        raise RunError("no such run")

    monkeypatch.setattr(tasks, "main", refuses)
    assert main(["tasks"]) == 1 and capsys.readouterr().err == "error: no such run\n"


def test_settings_and_flags_reach_the_command_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []

    def keep(settings: list[str], command: object) -> int:
        given.append(settings)
        return 0

    monkeypatch.setattr(run, "with_settings", keep)
    assert main(["run", "model=4b", "-m", "~suite", "--cfg", "job", "+x=1"]) == 0
    assert given == [["model=4b", "-m", "~suite", "--cfg", "job", "+x=1"]]
