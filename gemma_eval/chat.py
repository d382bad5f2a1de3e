"""Benchmarks asked in plain words, zero-shot, of instruction-tuned models: what the chat forms of the task pages share.

A chat form derives from its benchmark's page, `class GSM8KIT(Chat, GSM8K)`, and changes the question and the reading of the reply.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import ClassVar

from gemma_eval.data import Row
from gemma_eval.lettered import Lettered
from gemma_eval.scoring import final_answer


@dataclass
class Chat:
    """The settings of a chat form. A reply ends with the model's turn: any stop string could stand in the middle of it."""

    num_fewshot: int = 0
    max_tokens: int = 2048
    stop: list[str] = field(default_factory=list)

    chat: ClassVar[bool] = True


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
