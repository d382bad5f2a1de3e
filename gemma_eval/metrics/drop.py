"""DROP's exact match and token F1 for answers of one or several spans (Dua et al., 2019, arXiv 1903.00161; AllenNLP's script)."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, ""))


def normalize(text: str) -> str:
    """The text in lower case, split at spaces and hyphens, without articles and punctuation. Numbers keep sign and point: "1000.0"."""
    return " ".join(" ".join(map(_normalize_token, re.split("[ -]", text))).split())


def _normalize_token(token: str) -> str:
    token = token.lower()
    if not _is_number(token):
        token = token.translate(_PUNCTUATION)
    return str(float(token)) if _is_number(token) else _ARTICLES.sub(" ", token)


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def exact_match(answer: Sequence[str], gold: Sequence[str]) -> float:
    """1.0 if the spans are the same after normalisation, in any order."""
    found, wanted = [normalize(span) for span in answer], [normalize(span) for span in gold]
    return float(len(found) == len(wanted) and set(found) == set(wanted))


def f1(answer: Sequence[str], gold: Sequence[str]) -> float:
    """Mean F1, 0 to 1, of the best one-to-one alignment of spans, rounded to two decimals as in the official script.

    A span without a partner counts 0.
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    found, wanted = ([set(normalize(span).split()) for span in spans] for spans in (answer, gold))
    scores = np.array([[_token_f1(one, other) for one in found] for other in wanted])
    rows, columns = linear_sum_assignment(scores, maximize=True)
    return float(np.round(scores[rows, columns].sum() / max(scores.shape), 2))  # NumPy's rounding, not Python's


def _token_f1(answer: set[str], gold: set[str]) -> float:
    """F1 of two sets of tokens; 0 if the gold has numbers and the answer has none of them."""
    numbers = {token for token in gold if _is_number(token)}
    if numbers and not numbers & answer:
        return 0.0
    shared = len(answer & gold)
    precision = shared / len(answer) if answer else 1.0
    recall = shared / len(gold) if gold else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def readings(text: str) -> list[list[str]]:
    """The ways to read a generated line as spans: as one span, or split at semicolons, at commas, or at commas and "and".

    The official script expects spans, but a language model gives a line. A comma may separate two names or be part of a date.
    """
    lists = [[text], text.split(";"), text.split(","), re.split(r",\s*and\s|,|\sand\s", text)]
    spans = [[span.strip() for span in spans if span.strip()] for spans in lists]
    return [found for i, found in enumerate(spans) if found and found not in spans[:i]]
