"""What a command printed and how it ended, run in this process."""

from __future__ import annotations

import io
import logging
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from gemma_eval.commands.main import main


@dataclass(frozen=True)
class Outcome:
    """A command's exit code, what it printed, and what it told on stderr or in the log."""

    command: str
    code: int
    printed: str
    told: str

    @property
    def refused(self) -> bool:
        """Whether it ended without a result: only the gate's 1 is one."""
        return self.code == (3 if self.command == "gate" else 1)

    def check(self) -> None:
        """It ended in a result, or in one line; the gate may list several reasons below it."""
        assert "Traceback" not in self.told + self.printed
        assert self.code in ((0, 1, 2, 3) if self.command == "gate" else (0, 1, 3))
        if self.refused:
            errors = [line for line in self.told.splitlines() if line.startswith("error: ")]
            assert len(errors) == 1
            assert all(line.startswith(("error: ", "  ")) for line in self.told[self.told.index("error: ") :].splitlines())


def run_command(arguments: list[str]) -> Outcome:
    """Run `gemma-eval` with these arguments."""
    printed, told = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(told)
    logging.getLogger("gemma_eval").addHandler(handler)
    try:
        with redirect_stdout(printed), redirect_stderr(told):
            code = main(arguments)
    finally:
        logging.getLogger("gemma_eval").removeHandler(handler)
    return Outcome(arguments[0], code, printed.getvalue(), told.getvalue())
