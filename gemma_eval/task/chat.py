"""Chat forms: benchmarks asked in plain words, for instruction-tuned models.

A chat form derives from its benchmark's page, `class GSM8KIT(Chat, GSM8K)`. It changes the question and how the reply is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from gemma_eval.settings import Variant
from gemma_eval.task.base import Task


@dataclass
class Chat:
    """The settings of a chat form: zero-shot, and no stop strings, because the end of the model's turn ends the reply."""

    num_fewshot: int = 0
    max_tokens: int = 2048
    stop: list[str] = field(default_factory=list)

    chat: ClassVar[bool] = True


def other_form(task: Task, variant: Variant) -> list[str]:
    """A warning if the task's form does not fit the model's variant. It may be meant, but it is not what the card states."""
    if task.chat and variant is Variant.pt:
        return ["chat form without a chat template"]
    return ["completion form in a chat turn"] if variant is Variant.it and not task.chat else []
