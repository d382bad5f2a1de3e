"""Where a text ends: at an end token, or before a stop string. Stop strings match text, not ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def before_stop(text: str, stop: Sequence[str]) -> str | None:
    """The text before the stop string that is complete first; None if it has none. What follows in the text does not matter."""
    found = [(at + len(string), at) for string in stop if (at := text.find(string)) >= 0]
    return text[: min(found)[1]] if found else None


def end_tokens(generation_config: Any, tokenizer: Any) -> set[int]:
    """Ids that end a text: the tokenizer's, and those of the generation config if there is one (`<end_of_turn>` of IT models)."""
    configured = getattr(generation_config, "eos_token_id", None)
    ends = {tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured])}
    return ends - {None}
