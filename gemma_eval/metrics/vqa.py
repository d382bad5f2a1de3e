"""Soft accuracy against ten annotators, and the text cleaning of the VQA challenge (Antol et al., 2015; visualqa.org/evaluation.html).

An empty answer agrees with no annotator, not even with one whose "?" is cleaned away. Otherwise the official script's quirks are kept.
A comma between digits anywhere deletes every punctuation mark, which otherwise may become spaces. Contractions are looked up after
lower-casing, so those that the script's table spells with a capital I are never found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_DIGIT_COMMA = re.compile(r"\d,\d")
_STOP = re.compile(r"\.(?!\d)")  # the script means to spare full stops after digits too, and does not
_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_ARTICLES = {"a", "an", "the"}
_CONTRACTED = (
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've he's how'd how'll "
    "how's isn't it'd've it'd it'll ma'am mightn't mightn't've might've mustn't must've needn't not've o'clock oughtn't 'ow's'at shan't "
    "she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's "
    "something'd something'd've something'll that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas "
    "wasn't we'd've we've weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've "
    "why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've"
)


def _without_one_apostrophe(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i, letter in enumerate(word) if letter == "'"]


_REPLACED = {
    **{wrong: word for word in _CONTRACTED.split() for wrong in _without_one_apostrophe(word)},
    "somebody'd": "somebodyd",  # sic
    **{word: str(number) for number, word in enumerate(_NUMBERS)},
    "none": "0",
}


def accuracy(answer: str, golds: Sequence[str]) -> float:
    """The challenge's score, 0 to 1, as VQAv2 and OK-VQA use it: texts are cleaned only if annotators differ."""
    golds = [_flat(gold) for gold in golds]
    return normalized_accuracy(answer, golds) if len(set(golds)) > 1 else _agreement(answer, golds, _flat)


def normalized_accuracy(answer: str, golds: Sequence[str]) -> float:
    """The challenge's score, 0 to 1, with every text cleaned."""
    return _agreement(answer, golds, normalize)


def textvqa_accuracy(answer: str, golds: Sequence[str]) -> float:
    """TextVQA's score, 0 to 1: every text is cleaned by TextVQA's own processor."""
    return _agreement(answer, golds, textvqa_normalize)


def _agreement(answer: str, golds: Sequence[str], clean: Callable[[str], str]) -> float:
    """Mean over the annotators of min(matches among the others / 3, 1): with ten of them 0, 0.3, 0.6, 0.9, then 1."""
    if not answer.strip():
        return 0.0
    n, matches = len(golds), Counter(map(clean, golds))[clean(answer)]
    among_others = [matches - 1] * matches + [matches] * (n - matches)
    return sum(min(others / 3, 1.0) for others in among_others) / n


def normalize(text: str) -> str:
    """The text as the challenge's script cleans it: punctuation, full stops, case, articles, number words up to ten, and apostrophes."""
    text = _flat(text)
    delete_all = _DIGIT_COMMA.search(text) is not None
    cleaned = text
    for mark in _MARKS:
        at_word_end = f"{mark} " in text or f" {mark}" in text
        cleaned = cleaned.replace(mark, "" if delete_all or at_word_end else " ")
    words = _STOP.sub("", cleaned).lower().split()
    return " ".join(_REPLACED.get(word, word) for word in words if _REPLACED.get(word, word) not in _ARTICLES)


def textvqa_normalize(text: str) -> str:
    """As `normalize`, after TextVQA's tokenizer (the "EvalAI" processor of facebookresearch/mmf): no commas, "'s" a word of its own."""
    return normalize(text.lower().replace(",", "").replace("?", "").replace("'s", " 's"))


def _flat(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()
