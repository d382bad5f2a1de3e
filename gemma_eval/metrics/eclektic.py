"""ECLeKTic's string-matching baseline (Goldman et al., 2025, arXiv 2502.21228), which needs no judge model."""

from __future__ import annotations

import re

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af"
_PIECES = re.compile(rf"[{_HAN}]|[^{_HAN}]+")  # Chinese characters one by one, anything else in runs
UNSPACED = ("ja", "zh")


def recall(answer: str, gold: str, language: str) -> float:
    """The share of the gold's words that are found anywhere in the answer, 0 to 1; in Japanese and Chinese, of its characters."""
    words = _PIECES.findall(gold) if language in UNSPACED else gold.split()
    return sum(word in answer for word in words) / len(words) if words else 0.0
