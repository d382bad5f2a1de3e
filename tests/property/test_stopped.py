"""A run that a signal stops at any moment ends in one line, and the same command finishes it with the scores of one never stopped."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from gemma_eval.commands.main import main
from gemma_eval.store.run_dir import RunDir

SETTINGS = ["data=samples", "suite=piqa,trivia_qa", "limit=4", "backend.dtype=float32", "tasks.trivia_qa.max_tokens=3"]
CODES = {signal.SIGINT: (130, "stopped by Ctrl-C"), signal.SIGTERM: (143, "stopped by SIGTERM")}


@pytest.fixture
def harmless() -> Iterator[None]:
    """A signal that comes after the command has ended does nothing."""
    earlier = {number: signal.getsignal(number) for number in CODES}
    yield
    for number, handler in earlier.items():
        signal.signal(number, handler)


def stopped_after(seconds: float, number: signal.Signals, arguments: list[str]) -> int:
    """The exit code of a command that gets a signal after so many seconds, unless it ends before."""
    for each in CODES:
        signal.signal(each, lambda *signal: None)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), number))
    timer.start()
    try:
        return main(arguments)
    finally:
        timer.cancel()
        timer.join()


@pytest.mark.usefixtures("harmless")
def test_stopped_at_any_moment(tiny_gemma: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "model=local", f"model.path={tiny_gemma}", *SETTINGS, f"results={tmp_path}"]
    began = time.monotonic()
    assert main([*command, "run=whole"]) == 0
    took, draw = time.monotonic() - began, Random()
    for number in CODES:
        moment = draw.uniform(0, took)
        capsys.readouterr()
        code = stopped_after(moment, number, [*command, "run=stopped"])
        told = capsys.readouterr().err
        if code:
            expected, words = CODES[number]
            assert code == expected, (moment, told)
            assert told.splitlines()[-1].startswith(words) and told.count("stopped by") == 1 and "Traceback" not in told, (moment, told)
    assert main([*command, "run=stopped"]) == 0
    whole, stopped = (RunDir(tmp_path / name).scores.tasks for name in ("whole", "stopped"))
    assert {name: task.metrics for name, task in whole.items()} == {name: task.metrics for name, task in stopped.items()}
