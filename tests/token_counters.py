"""Readers without a model, for the tasks whose items are made to a model's measure."""

from __future__ import annotations

from dataclasses import dataclass

from gemma_eval.types import Prompt


@dataclass(frozen=True)
class EvenReader:
    """A tokenizer that takes `characters` of any text for a token, and one token for BOS."""

    characters: float = 4.0
    context_length: int = 131072

    def tokens(self, prompt: Prompt) -> int:
        return 1 + round(sum(len(str(part)) for part in prompt.parts) / self.characters)
