"""IFEval's checks against lm-eval 0.4.13's copy of the authors' code, on the real instructions and responses made for them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nltk.tokenize
import pytest

pytest.importorskip("langdetect")
pytest.importorskip("immutabledict")  # needed by lm-eval's copy

from lm_eval.tasks.ifeval import utils as theirs

from gemma_eval.metrics import ifeval
from gemma_eval.task.registry import registry
from tests.oracle.lm_eval_tasks import table_of

TRAINED = {"length_constraints:number_sentences", "change_case:capital_word_frequency"}  # NLTK's models of sentences: no download here
CAPITALS = """
DON'T I'M IT'S WE'LL YOU'RE SHOULDN'T CANNOT GONNA WANNA D'YE N'T WANT'VE DON\u2019T JOHN'S JAMES' dogs' 'TIS 'EM 'A' 'QUOTED' "HELLO"
A I hello World NASA U.S. USA. E.G. \u00c9COLE well-KNOWN STATE-OF-THE-ART COVID-19 O'CLOCK L'AMOUR ROCK'N'ROLL 3D 1,000
AT&T A/B A,B A:B X=Y #TAG $US 50%OFF OK! WHAT?! (NATO) **BOLD** <<TITLE>> _UNDER_ THE...END HEY--YOU
"""
RANDOM = {"!", "#"}  # where the instruction names a sign, the authors' code counts a random letter
TEXT = "The quick brown fox jumps over the lazy dog and then it sleeps under a tree"


def responses(chance: random.Random, given: dict[str, Any]) -> Iterator[str]:
    """Texts on both sides of every check: plain, decorated, and made from the arguments."""
    pieces = [TEXT, TEXT.upper(), TEXT.lower(), "* a bullet", "- another", "*high*", "**higher**", "<<Title>>", "<< >>", "[name]", "[]"]
    pieces += [
        "***",
        "******",
        "P.S. more",
        "p. p. s more",
        "My answer is yes.",
        '{"a": 1}',
        '```json\n{"a": 1}\n```',
        "SECTION 1",
        "Section 2",
    ]
    pieces += ["Guten Tag, wie geht es Ihnen heute? Das Wetter ist sch\u00f6n.", "\n\n", "", ",", '"', "Any other question?", "x" * 20]
    for value in given.values():
        pieces += [str(item) for item in (value if isinstance(value, list) else [value]) if item is not None] * 3
    pieces += [f"{given['section_spliter']} {i}" for i in range(1, 4) if given["section_spliter"]]
    if given["first_word"]:
        paragraphs = [TEXT] * given["num_paragraphs"]
        paragraphs[given["nth_paragraph"] - 1] = f"{given['first_word'].upper()}, {TEXT}"
        yield "\n\n".join(paragraphs)
    yield ""
    yield " \n "
    yield '"' + TEXT + '"'
    for _ in range(12):
        yield chance.choice(["\n", " ", "\n\n"]).join(chance.choices(pieces, k=chance.randint(1, 12)))
    yield from pieces


@pytest.mark.data
def test_real_instructions(data_root: Path) -> None:
    """Every instruction of the data with some fifty responses: the same verdict, strict and loose, for 23 of the 25 checks."""
    pytest.importorskip("langdetect").DetectorFactory.seed = 0
    chance = random.Random(0)
    verdicts: Counter[tuple[str, bool]] = Counter()
    for row in table_of(registry()["ifeval"](), data_root).rows:
        for instruction, given in zip(row["instruction_id_list"], row["kwargs"], strict=True):
            if instruction in TRAINED or given["letter"] in RANDOM:
                continue
            slow = instruction.startswith(("language", "change_case"))
            for response in random.Random(1).sample(list(responses(chance, given)), 8) if slow else responses(chance, given):
                item = theirs.InputExample(0, [instruction], "", [given])
                strict = ifeval.follows(instruction, response, given)
                assert strict == theirs.test_instruction_following_strict(item, response).follow_all_instructions, (
                    instruction,
                    given,
                    response,
                )
                loose = ifeval.follows_loosely(instruction, response, given)
                assert loose == theirs.test_instruction_following_loose(item, response).follow_all_instructions, (
                    instruction,
                    given,
                    response,
                )
                verdicts[instruction, strict] += 1
    assert verdicts.total() > 20_000
    assert {name for name, followed in verdicts if followed} == {name for name, followed in verdicts if not followed}
    assert {name for name, _ in verdicts} == set(ifeval.CHECKS) - TRAINED


def test_capital_words_are_those_of_nltk() -> None:
    """NLTK's tokenizer of words needs no model; that of sentences, which the authors use before it, does. So texts are one sentence."""
    tokenizer, chance = nltk.tokenize.NLTKWordTokenizer(), random.Random(0)
    for _ in range(4000):
        text = " ".join(chance.choices(CAPITALS.split(), k=chance.randint(1, 8))) + chance.choice(["", ".", "\n", "!"])
        assert ifeval.capital_words(text) == sum(word.isupper() for word in tokenizer.tokenize(text)), text
