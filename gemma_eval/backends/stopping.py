"""Where a text ends: stop strings match text, not ids."""

from __future__ import annotations

from collections.abc import Sequence


def before_stop(text: str, stop: Sequence[str]) -> str | None:
    """The text before the first stop string in it; None if there is none."""
    found = [at for string in stop if (at := text.find(string)) >= 0]
    return text[: min(found)] if found else None
