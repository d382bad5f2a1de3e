"""CIDEr-D (Vedantam et al., 2015, arXiv 1411.5726): how well a caption agrees with several references, for a whole set of captions.

Word n-grams of orders 1 to 4 weigh more if fewer images have them in their references. So the score of an image depends on all images, and
the score of a part is not comparable with that of the whole. It equals pycocoevalcap's `Cider`, but splits words without Java.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

ORDER = 4
SIGMA = 6.0
PERFECT = 10.0

NGrams: TypeAlias = Counter[tuple[str, ...]]

_SUFFIX = re.compile(r"(?<=\w)(n't|'(?:s|m|d|ll|re|ve))(?!\w)")
_CLITIC = re.compile(r"\b(can)(not)\b|\b(gon|wan)(na)\b|\b(got)(ta)\b|\b(gim|lem)(me)\b")
_WORD = re.compile(r"n't(?!\w)|'(?:s|m|d|ll|re|ve)(?!\w)|(?:[a-z]\.){2,}|\w+(?:[-'&/]\w+|[.,:]\d+)*|[^\w\s]")
_QUOTES = str.maketrans("\u2018\u2019\u0060\u00b4", "''''")
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_DROPPED = set("'\".?!,:-;\u201c\u201d\u2013\u2014\u2026")  # what the coco-caption tools drop; they do keep brackets


def words(caption: str) -> list[str]:
    """A caption's words in lower case, split as in the Penn Treebank, without punctuation."""
    text = _SUFFIX.sub(r" \1", caption.lower().translate(_QUOTES))
    text = _CLITIC.sub(lambda match: " ".join(filter(None, match.groups())), text)
    return [_BRACKETS.get(word, word) for word in _WORD.findall(text) if word not in _DROPPED]


def scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """CIDEr-D of each caption, 0 to 10. Their mean is the score; the card shows it times 100.

    captions: one per image [images]; references: several per image [images][references].
    """
    grams = [[_ngrams(words(reference)) for reference in several] for several in references]
    frequency = Counter(gram for several in grams for gram in set().union(*several))
    log_images = math.log(len(references)) if references else 0.0
    weights = {gram: log_images - math.log(count) for gram, count in frequency.items()}
    return [
        PERFECT * sum(_similarity(_ngrams(words(caption)), other, weights, log_images) for other in several) / len(several)
        for caption, several in zip(captions, grams, strict=True)
    ]


def _ngrams(text: list[str]) -> NGrams:
    return Counter(tuple(text[i : i + n]) for n in range(1, ORDER + 1) for i in range(len(text) - n + 1))


def _similarity(ours: NGrams, reference: NGrams, weights: dict[tuple[str, ...], float], unseen: float) -> float:
    """Mean over the orders of the cosine of the weighted counts. Ours are clipped to the reference's; another length lowers the result."""
    total = 0.0
    for order in range(1, ORDER + 1):
        mine = {gram: count * weights.get(gram, unseen) for gram, count in ours.items() if len(gram) == order}
        theirs = {gram: count * weights[gram] for gram, count in reference.items() if len(gram) == order}
        norms = math.hypot(*mine.values()) * math.hypot(*theirs.values())
        if norms:
            total += sum(min(weight, theirs[gram]) * theirs[gram] for gram, weight in mine.items() if gram in theirs) / norms
    difference = _length(ours) - _length(reference)
    return total / ORDER * math.exp(-(difference**2) / (2 * SIGMA**2))


def _length(grams: NGrams) -> int:
    """The length as the reference code counts it: pairs of words."""
    return sum(count for gram, count in grams.items() if len(gram) == 2)
