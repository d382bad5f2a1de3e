"""Benchmarks asked in plain words, zero-shot, of instruction-tuned models: what the chat forms of the task pages share.

A chat form derives from its benchmark's page, `class GSM8KIT(Chat, GSM8K)`, and changes the question and the reading of the reply.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from gemma_eval.settings import Variant
from gemma_eval.task.base import Task


@dataclass
class Chat:
    """The settings of a chat form. A reply ends with the model's turn: any stop string could stand in the middle of it."""

    num_fewshot: int = 0
    max_tokens: int = 2048
    stop: list[str] = field(default_factory=list)

    chat: ClassVar[bool] = True


def other_form(task: Task, variant: Variant) -> list[str]:
    """What a reader must know where form and variant do not match: either may be meant, but neither is what the card states."""
    if task.chat and variant is Variant.pt:
        return ["chat form without a chat template"]
    return ["completion form in a chat turn"] if variant is Variant.it and not task.chat else []
