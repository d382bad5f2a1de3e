"""Generated answers that are a letter: of a question with lettered options, reasoned about before it is answered."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_uppercase

from gemma_eval.data.rows import Row
from gemma_eval.metrics import final_answer, letters
from gemma_eval.task.chat import Chat


class Lettered:
    """Right is a gold letter. `anywhere`, which also takes a letter that merely stands alone, is a diagnostic."""

    def diagnostics(self) -> dict[str, Callable[[str], str | None]]:
        return {"anywhere": letters.anywhere}

    def judge(self, answer: str, golds: list[str]) -> float:
        return float(answer in golds)


@dataclass
class LetteredChat(Lettered, Chat):
    """A question with lettered options. The answer is the letter of the last "the answer is (X)", or that which is boxed."""

    @abstractmethod
    def question(self, row: Row) -> str:
        """The question, without its options."""

    @abstractmethod
    def options(self, row: Row) -> list[str]:
        """The texts of the options, in the order shown."""

    def header(self, row: Row) -> str:
        return ""

    def query(self, row: Row) -> str:
        options = "\n".join(f"({letter}) {text}" for letter, text in zip(ascii_uppercase, self.options(row), strict=False))
        return (
            f"{self.question(row).strip()}\n\n{options}\n\n"
            'Think step by step, then finish with "The answer is (X).", where X is the letter of the right option.'
        )

    def extract(self, text: str) -> str | None:
        return final_answer.letter(text)
