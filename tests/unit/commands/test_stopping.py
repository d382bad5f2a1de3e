"""A signal ends a command in one line that says what is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gemma_eval.commands import tasks
from gemma_eval.commands.kept_answers import naming_kept_answers
from gemma_eval.commands.main import main
from gemma_eval.commands.stopping import Stopped, report, stoppable
from tests.runs import answers, write_run
from tests.settings import compose

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers as they were: after a signal they are left at their default on purpose."""
    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in earlier.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code", "name"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")])
def test_any_command_ends_in_one_line(
    number: signal.Signals, code: int, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tasks, "main", lambda arguments: signal.raise_signal(number))
    assert main(["tasks"]) == code
    assert capsys.readouterr().err == f"stopped by {name}\n"


def test_a_second_signal_finds_the_default() -> None:
    with pytest.raises(Stopped), stoppable():
        signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_DFL, signal.SIG_DFL]


def test_handlers_are_restored_after_a_command_that_was_not_stopped() -> None:
    earlier = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(ZeroDivisionError), stoppable():
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in SIGNALS] == earlier


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stoppable():
        signal.raise_signal(signal.SIGINT)


def test_other_threads_can_run_commands() -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(["compare", "one"])))
    thread.start()
    thread.join()
    assert codes == [1]


def test_the_answers_of_the_run_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "r", {"piqa": answers([True] * 1200), "boolq": answers([False] * 34, "boolq")})
    config = compose("suite=piqa,boolq", f"results={tmp_path}", "run=r")
    with pytest.raises(Stopped) as stopped, naming_kept_answers(config):
        raise Stopped(signal.SIGINT)
    assert report(stopped.value) == 130
    assert capsys.readouterr().err == f"stopped by Ctrl-C: 1,234 answers are kept in {tmp_path}/r; the same command goes on\n"


def test_a_run_without_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Stopped) as stopped, naming_kept_answers(compose("suite=piqa", f"results={tmp_path}")):
        raise Stopped(signal.SIGTERM)
    assert report(stopped.value) == 143
    assert capsys.readouterr().err == "stopped by SIGTERM: no answer was computed yet; the same command starts again\n"


def test_other_processes_of_the_run_leave_the_count_to_the_main_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = compose("suite=piqa", f"results={tmp_path}")
    for name, value in {"RANK": 1, "WORLD_SIZE": 2, "LOCAL_RANK": 1}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(Stopped) as stopped, naming_kept_answers(config):
        raise Stopped(signal.SIGTERM)
    report(stopped.value)
    assert capsys.readouterr().err == "process 1: stopped by SIGTERM\n"
