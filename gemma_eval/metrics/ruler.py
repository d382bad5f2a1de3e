"""RULER's two scores (Hsieh et al., 2024, arXiv 2404.06654; NVIDIA/RULER, scripts/eval): answers found in a text, ignoring case."""

from __future__ import annotations

import re
from collections.abc import Sequence


def found(text: str, answers: Sequence[str]) -> list[bool]:
    """For each answer, whether it is found in the text. Control characters count as line ends; space around the text does not count."""
    shown = re.sub(r"[\x00-\x1f]", "\n", text.strip()).strip().lower()
    return [answer.lower() in shown for answer in answers]


def match_all(text: str, answers: Sequence[str]) -> float:
    """The share of the answers that are found, 0 to 1."""
    return sum(found(text, answers)) / len(answers)


def match_part(text: str, answers: Sequence[str]) -> float:
    """1.0 if any answer is found, else 0.0."""
    return float(any(found(text, answers)))
