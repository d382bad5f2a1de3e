"""Token F1 of SQuAD 1.1 (Rajpurkar et al., 2016), which XQuAD's authors use in all languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gemma_eval.metrics.qa import squad_normalize


def token_f1(answer: str, golds: Iterable[str]) -> float:
    """F1, 0 to 1, of the words of answer and gold after normalisation, the best over golds.

    Words are separated by spaces, so a Chinese or Thai answer is mostly one word, all right or all wrong.
    """
    return max(_f1(squad_normalize(answer).split(), squad_normalize(gold).split()) for gold in golds)


def _f1(words: list[str], gold: list[str]) -> float:
    both = (Counter(words) & Counter(gold)).total()
    return 2 * both / (len(words) + len(gold)) if both else 0.0
