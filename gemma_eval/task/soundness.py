"""Checks a sample that a page made from a row: its prompt, its choices, its gold answers, and that all of it is plain JSON.

The columns of a row are checked as they are read (`gemma_eval.data.columns`). These checks look at the result, so they hold for any page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from gemma_eval.types import JSON, Image, Sample, Score


def check(sample: Sample) -> None:
    """Raise `ValueError` or `TypeError`, which say what is wrong, unless the sample is a sound item."""
    prompt = sample.request.prompt
    texts(("prompt", part) for part in prompt.parts if not isinstance(part, Image))
    texts((("id", sample.id), ("subset", sample.subset), ("cluster", sample.cluster)))
    if not any(isinstance(part, Image) or part.strip() for part in prompt.query):
        raise ValueError("the prompt has no query but white space")
    if isinstance(sample.request, Score):
        _check_choices(sample.request)
    json.dumps([sample.id, sample.subset, sample.cluster, sample.target, sample.fields], ensure_ascii=False, allow_nan=False).encode()


def _check_choices(request: Score) -> None:
    choices = [(one.given, one.text) for one in request.continuations]
    texts(("continuation", part) for choice in choices for part in choice)
    if len(choices) < 2:
        raise ValueError(f"{len(choices)} choices, where there must be two or more")
    blank = [number for number, (_, text) in enumerate(choices) if not text.strip()]
    if blank:
        raise ValueError(f"choice {blank[0]} is blank")
    if len(set(choices)) == 1:
        raise ValueError(f"all choices are {choices[0][1].strip()!r}")


def texts(values: Iterable[tuple[str, object]]) -> None:
    """Raise `TypeError`, by name, for a value that is no text."""
    for name, value in values:
        if not isinstance(value, str):
            raise TypeError(f"{name}: found {type(value).__name__} {value!r:.40}, expected text")


def listed(name: str, values: object) -> list[str]:
    """A page's list of texts. Raises `TypeError` for anything else, such as one text, whose letters would be taken one by one."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise TypeError(f"{name}: found {type(values).__name__} {values!r:.40}, expected a list of texts")
    texts((f"{name}[{number}]", value) for number, value in enumerate(values))
    return list(values)


def check_answers(golds: Sequence[str], target: JSON) -> None:
    """Raise `ValueError` if there is nothing to compare an answer with, or if the right answers are all blank."""
    if not target:
        raise ValueError("no gold answer")
    if golds and not any(gold.strip() for gold in golds):
        raise ValueError("no gold answer but white space")
