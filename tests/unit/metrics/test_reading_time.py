"""Readers of replies take a time that is linear in the reply, whatever it holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from gemma_eval.metrics import agieval, blink, code, drop, eclektic, ifeval, letters, mmmu, options, ruler, squad, vqa

UNITS = [
    "A",
    "a",
    "(",
    "[",
    "\\",
    "{",
    "1",
    " ",
    "\n",
    "*",
    "```\n",
    "A ",
    "1,",
    "x",
    "- ",
    '"""\n',
    "answer is ",
    "answer: ",
    "e.g. ",
    "<<",
]

READERS: dict[str, Callable[[str], Any]] = {
    "options": options.letter,
    "letters.stated": letters.stated,
    "letters.last_stated": letters.last_stated,
    "letters.anywhere": letters.anywhere,
    "letters.leading": letters.leading,
    "letters.yes_or_no": letters.yes_or_no,
    "blink": blink.letter,
    "blink.authors": blink.authors,
    "mmmu.letter": lambda text: mmmu.letter(text, ["6", "a cat"]),
    "mmmu.choice": lambda text: mmmu.choice(text, ["6", "a cat"]),
    "mmmu.open_answer": lambda text: mmmu.open_answer(text, ["6"]),
    "agieval.letter": agieval.letter,
    "agieval.letters": agieval.letters,
    "agieval.first_letter": agieval.first_letter,
    "agieval.all_letters": agieval.all_letters,
    "agieval.value": lambda text: agieval.same_value(agieval.value(text) or "", "3"),
    "code.from_reply": code.from_reply,
    "code.unfence": code.unfence,
    "drop": lambda text: [drop.normalize(span) for spans in drop.readings(text) for span in spans],
    "squad": lambda text: squad.token_f1(text, ["a cat"]),
    "vqa": vqa.normalize,
    "ruler": lambda text: ruler.match_all(text, ["cat"]),
    "eclektic": lambda text: eclektic.recall(text, "a cat", "zh"),
    "ifeval.sentences": ifeval.sentences,
    "ifeval.capital_words": ifeval.capital_words,
}
INSTRUCTIONS = [
    "detectable_content:number_placeholders",
    "detectable_format:number_bullet_lists",
    "detectable_format:number_highlighted_sections",
    "detectable_format:title",
    "detectable_format:json_format",
]
NOISE = 0.002  # seconds of CPU that a short reading may seem to take longer or shorter
GROWTH = 40  # of ten times the text; a quadratic reader takes a hundred times as long


def seconds(read: Callable[[str], Any], text: str) -> float:
    start = time.process_time()
    read(text)
    return time.process_time() - start


def check(read: Callable[[str], Any]) -> None:
    for unit in UNITS:
        short, long = ((unit * size)[:size] for size in (10_000, 100_000))
        most = GROWTH * (min(seconds(read, short) for _ in range(2)) + NOISE)
        assert min(seconds(read, long) for _ in range(2)) <= most, unit


@pytest.mark.parametrize("name", READERS)
def test_time_is_linear(name: str) -> None:
    check(READERS[name])


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_time_of_checks_is_linear(name: str) -> None:
    check(lambda text: ifeval.CHECKS[name](text, {"num_placeholders": 1, "num_bullets": 1, "num_highlights": 1}))
