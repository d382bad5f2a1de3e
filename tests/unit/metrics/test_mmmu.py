"""MMMU's and BLINK's options: the careful reader beside the authors' rules."""

from __future__ import annotations

import pytest

from gemma_eval.metrics import blink, mmmu
from gemma_eval.task.base import Generation
from gemma_eval.task.registry import registry
from gemma_eval.types import JSON

TEXTS = ["A man", "A cat", "A pretty girl with a dog", "A car"]


@pytest.mark.parametrize(
    ("text", "careful", "authors"),
    [
        ("C", "C", "C"),
        ("(C)", "C", "C"),
        ("C. A pretty girl with a dog", "C", "A"),  # theirs takes the article
        ("C.", "C", "C"),
        ("The answer is C.", "C", "C"),
        ("c", "C", None),  # theirs would guess
        ("**C**", "C", None),
        ("A car", "D", "A"),
        ("(A) or (B)", None, "B"),
        ("It seems to be a cat on a mat", "B", "B"),  # more than five words
        ("", None, None),
    ],
)
def test_options_of_mmmu(text: str, careful: str | None, authors: str | None) -> None:
    assert (mmmu.letter(text, TEXTS), mmmu.choice(text, TEXTS)) == (careful, authors)


def test_both_readings_of_mmmu_stand_in_the_row() -> None:
    task = registry()["mmmu"]()
    assert isinstance(task, Generation) and task.metrics == ("exact_match", "authors")
    target: JSON = {"answers": ["C"], "options": list(TEXTS), "open": False}
    assert task.grade("C. A pretty girl with a dog", target).scores == {"exact_match": 1.0, "authors": 0.0}
    assert task.grade("so it is 7", {"answers": ["7"], "options": [], "open": True}).scores == {"exact_match": 1.0, "authors": 1.0}


@pytest.mark.parametrize(
    ("text", "careful", "authors"),
    [
        (" (B)", "B", "B"),
        ("B", "B", "B"),
        ("Point C", "C", None),  # theirs asks a model
        ("(C) Point C", "C", "C"),
        ("(A) is nearer than (B)", "A", None),
        ("(A) is nearer than (B)\n\nSo: (A)", "A", "A"),
        ("(B).", "B", None),
        ("(A) or (B)", None, None),
    ],
)
def test_options_of_blink(text: str, careful: str | None, authors: str | None) -> None:
    assert (blink.letter(text), blink.authors(text)) == (careful, authors)
