"""Short answers to questions: the official SQuAD / TriviaQA normalisation and exact match."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation + "\u2018\u2019\u00b4`", " "))  # curly quotes and an acute accent
_DELETED = str.maketrans(dict.fromkeys(string.punctuation, ""))


def squad_normalize(text: str) -> str:
    """The text in lower case without punctuation, articles and repeated spaces (SQuAD 1.1's evaluation script; used by NQ)."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_DELETED)).split())


def trivia_normalize(text: str) -> str:
    """The text as TriviaQA's script normalises it: as SQuAD's, but underscores and punctuation become spaces."""
    return " ".join(_ARTICLES.sub(" ", text.replace("_", " ").lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, golds: Iterable[str], normalize: Callable[[str], str] = squad_normalize) -> float:
    """1.0 if the normalised answer equals any normalised gold, else 0.0.

    A gold that normalises to nothing ("The The", "A") is compared as it is, so that an empty answer never matches.
    """
    return float(any(_same(answer, gold, normalize) for gold in golds))


def _same(answer: str, gold: str, normalize: Callable[[str], str]) -> bool:
    if wanted := normalize(gold):
        return normalize(answer) == wanted
    return answer.strip().lower() == gold.strip().lower()
