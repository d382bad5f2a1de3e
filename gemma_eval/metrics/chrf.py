"""chrF, the character n-gram F-score (Popovic, 2015, ACL W15-3049), as sacrebleu 2 defines it.

It compares character n-grams of orders 1 to 6, without white space and with case. Recall weighs twice as much as precision. Precision
and recall are averaged over the orders that both sides have. chrF++, which adds words, is another metric.

A corpus score is not the mean of sentence scores: n-grams are counted over the whole corpus first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

ORDER = 6
BETA = 2
SIGNATURE = "chrF2|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no"  # sacrebleu's notation


def counts(answer: str, golds: Sequence[str]) -> list[int]:
    """For each order, the numbers of n-grams of the answer, of the gold, and of both: [3 x ORDER]. With several golds, the closest counts.

    Counts add up over items: `score` of their sum is the corpus score.
    """
    grams = _ngrams(answer)
    return max((_compared(grams, _ngrams(gold)) for gold in golds), key=of_counts)


def sentence(answer: str, golds: Sequence[str]) -> float:
    """chrF of one answer, 0 to 100, against its closest gold."""
    return of_counts(counts(answer, golds))


def of_counts(counts: Sequence[int]) -> float:
    """chrF of one item, 0 to 100, from its counts."""
    return float(score(np.array(counts)))


def corpus(answers: Sequence[str], golds: Sequence[Sequence[str]]) -> float:
    """chrF of all answers together, 0 to 100."""
    table = [counts(answer, accepted) for answer, accepted in zip(answers, golds, strict=True)]
    return float(score(np.array(table).sum(axis=0)))


def score(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """chrF, 0 to 100, of counts [..., 3 x ORDER]: scores [...]."""
    ours, golds, both = np.moveaxis(counts.reshape(*counts.shape[:-1], ORDER, 3), -1, 0)
    usable = (ours > 0) & (golds > 0)
    orders = np.maximum(usable.sum(axis=-1), 1)
    precision = np.where(usable, both / np.maximum(ours, 1), 0.0).sum(axis=-1) / orders
    recall = np.where(usable, both / np.maximum(golds, 1), 0.0).sum(axis=-1) / orders
    weighted = BETA**2 * precision + recall
    f_score: npt.NDArray[np.float64] = 100 * (1 + BETA**2) * precision * recall / np.where(weighted > 0, weighted, 1.0)
    return f_score


def _ngrams(text: str) -> list[Counter[str]]:
    letters = "".join(text.split())
    return [Counter(letters[i : i + n] for i in range(len(letters) - n + 1)) for n in range(1, ORDER + 1)]


def _compared(ours: list[Counter[str]], golds: list[Counter[str]]) -> list[int]:
    found: list[int] = []
    for mine, gold in zip(ours, golds, strict=True):
        both = sum(min(count, gold[gram]) for gram, count in mine.items() if gram in gold)
        found += [mine.total() if gold else 0, gold.total(), both]  # an order that the gold is too short for says nothing
    return found
