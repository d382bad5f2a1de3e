"""CIDEr-D against pycocoevalcap (pure Python but for its tokenizer), and its words against nltk's Treebank tokenizer."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from gemma_eval.data.sources import FolderSource
from gemma_eval.metrics import cider
from gemma_eval.task.registry import registry


def test_cider_equals_pycocoevalcap() -> None:
    reference = pytest.importorskip("pycocoevalcap.cider.cider")
    chance = random.Random(9)
    vocabulary = ["a", "the", "man", "woman", "cat", "dog", "on", "in", "red", "blue", "boat", "sits", "near", "table", "two"]

    def caption() -> str:
        return " ".join(chance.choice(vocabulary) for _ in range(chance.randint(0, 14)))

    references = [[caption() or "a cat" for _ in range(5)] for _ in range(240)]
    captions = [
        chance.choice([caption(), chance.choice(several), several[0] + " " + caption(), "", "unheard of words", "a a a a"])
        for several in references
    ]
    _, theirs = reference.Cider().compute_score(dict(enumerate(references)), {i: [text] for i, text in enumerate(captions)})
    assert cider.scores(captions, references) == pytest.approx(list(theirs), abs=1e-9)


@pytest.mark.data
def test_caption_words_are_those_of_the_treebank(data_root: Path) -> None:
    nltk = pytest.importorskip("nltk")
    task = registry()["coco_caption"]()
    rows = FolderSource(data_root).table(task.dataset, "val", task.samples_file()).rows
    captions = [caption for row in rows for caption in row["answer"]]
    assert len(captions) >= 100
    check_words(nltk, captions)


ODD_CAPTIONS = [
    "A man's hat isn't on the table.", "Don't cross!", "They're here; we'll go", "A black-and-white cat, a dog...", "Two (2) cups",
    "I'm at 3:00 with 1,000 people", "It cannot be", "a red/blue boat", "The dogs' toys", "Caf\u00e9 at night", "A 50% sale & more",
    "''", "",
    "Hello? Yes: no - maybe -- so"
]  # fmt: skip


def test_odd_words_are_those_of_the_treebank() -> None:
    check_words(pytest.importorskip("nltk"), ODD_CAPTIONS)


def check_words(nltk: object, captions: list[str]) -> None:
    """nltk's Treebank tokenizer, then coco-caption's list of marks to drop."""
    from nltk.tokenize import NLTKWordTokenizer

    dropped = {"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"}
    tokenizer = NLTKWordTokenizer()
    for caption in captions:
        theirs = [word for word in tokenizer.tokenize(caption.lower(), convert_parentheses=True) if word not in dropped]
        assert cider.words(caption) == [word.lower() for word in theirs], caption


def test_cider_by_hand() -> None:
    references = [["a red boat on the sea"] * 2, ["two cats in a room"] * 2, ["a house at night"] * 2]
    assert cider.scores([several[0] for several in references], references) == pytest.approx([10.0] * 3)
    assert cider.scores(["", "three dogs", "zebra"], references) == [0.0] * 3
    alone = cider.scores(["a red boat on the sea"], [["a red boat on the sea"]])
    assert alone == [0.0]  # words that every picture has weigh nothing
    assert math.isclose(sum(cider.scores(["a house at night", "two cats in a room", "x"], references)), 10.0)
