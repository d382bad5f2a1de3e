"""Generated answers that are the letter of an option."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_uppercase

from gemma_eval.data.rows import Row
from gemma_eval.metrics import letters, options
from gemma_eval.task.chat import Chat


class Lettered:
    """Scores 1 for the gold letter. The diagnostic `anywhere` is the rule of MMLU-Pro's authors: any letter that stands alone."""

    def diagnostics(self) -> dict[str, Callable[[str], str | None]]:
        """`anywhere`."""
        return {"anywhere": letters.anywhere}

    def judge(self, answer: str, golds: list[str]) -> float:
        """1 if the answer is a gold letter, else 0."""
        return float(answer in golds)


@dataclass
class LetteredChat(Lettered, Chat):
    """A chat form of a question with lettered options. It asks for reasoning, then for "The answer is (X)."

    The answer is the last letter that the reply states, in any language; see `gemma_eval.metrics.options`.
    """

    @abstractmethod
    def question(self, row: Row) -> str:
        """The question, without its options."""

    @abstractmethod
    def options(self, row: Row) -> list[str]:
        """The texts of the options, in the order shown."""

    def header(self, row: Row) -> str:
        """No header, because the query holds the whole instruction."""
        return ""

    def query(self, row: Row) -> str:
        """Question, options as "(A) ...", and the instruction."""
        options = "\n".join(f"({letter}) {text}" for letter, text in zip(ascii_uppercase, self.options(row), strict=False))
        return (
            f"{self.question(row).strip()}\n\n{options}\n\n"
            'Think step by step, then finish with "The answer is (X).", where X is the letter of the right option.'
        )

    def extract(self, text: str) -> str | None:
        """The letter, or None if the reply states none."""
        return options.letter(text)
