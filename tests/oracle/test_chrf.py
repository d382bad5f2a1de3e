"""chrF against sacrebleu, and against lm-eval's `chrf`, on real translations with the errors that models make."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import sacrebleu
from lm_eval.api.metrics import chrf as lm_eval_chrf
from sacrebleu.metrics.chrf import CHRF

from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.sources import FolderSource
from gemma_eval.metrics import chrf

PAIRS = ["en-de_DE", "en-zh_CN", "en-ja_JP", "en-hi_IN", "en-th_TH", "en-ar_EG", "en-ru_RU"]
ITEMS = 300


def spoiled(text: str, chance: random.Random) -> str:
    """A translation as a model may give it: right, cut, empty, with words missing, doubled or swapped, or something else."""
    words = text.split(" ")
    kind = chance.randrange(8)
    if kind == 0:
        return text
    if kind == 1:
        return text[: chance.randrange(len(text))]
    if kind == 2:
        return chance.choice(["", " ", ".", "a", "\u3000", "\u200b", "12"])
    if kind == 3:
        return " ".join(word for word in words if chance.random() < 0.7)
    if kind == 4:
        return " ".join(words + words)
    if kind == 5:
        return " ".join(chance.sample(words, len(words)))
    if kind == 6:
        return "".join(chance.choice([letter, letter, letter, "x"]) for letter in text)
    return f"\u00a0{text.upper()}\t"


@pytest.mark.data
@pytest.mark.parametrize("pair", PAIRS)
def test_real_translations(pair: str, data_root: Path) -> None:
    rows = FolderSource(data_root).table(DatasetRef("google/wmt24pp", config=pair), "train", Path()).rows
    chance = random.Random(pair)
    chosen = chance.sample([row for row in rows if not row["is_bad_source"]], ITEMS)
    golds = [row["target"] for row in chosen]
    answers = [spoiled(gold, chance) for gold in golds]
    for answer, gold in zip(answers, golds, strict=True):
        assert chrf.sentence(answer, [gold]) == pytest.approx(sacrebleu.sentence_chrf(answer, [gold]).score, abs=1e-9), (answer, gold)
    ours = chrf.corpus(answers, [[gold] for gold in golds])
    assert 20 < ours < 95
    assert ours == pytest.approx(sacrebleu.corpus_chrf(answers, [golds]).score, abs=1e-9)
    assert ours == pytest.approx(lm_eval_chrf(list(zip(golds, answers, strict=True))), abs=1e-9)


@pytest.mark.data
def test_several_golds(data_root: Path) -> None:
    """sacrebleu, too, takes the reference that an answer is closest to, in the corpus score as well."""
    rows = FolderSource(data_root).table(DatasetRef("google/wmt24pp", config="en-de_DE"), "train", Path()).rows
    chance = random.Random(0)
    chosen = chance.sample([row for row in rows if not row["is_bad_source"]], ITEMS)
    golds = [[row["target"], row["original_target"]] for row in chosen]
    assert sum(first != second for first, second in golds) > ITEMS / 2
    answers = [spoiled(chance.choice(accepted), chance) for accepted in golds]
    for answer, accepted in zip(answers, golds, strict=True):
        assert chrf.sentence(answer, accepted) == pytest.approx(sacrebleu.sentence_chrf(answer, accepted).score, abs=1e-9)
    references = [list(column) for column in zip(*golds, strict=True)]
    assert chrf.corpus(answers, golds) == pytest.approx(sacrebleu.corpus_chrf(answers, references).score, abs=1e-9)


def test_signature() -> None:
    metric = CHRF()
    metric.corpus_score(["a"], [["a"]])
    assert f"chrF2|{metric.get_signature()}" == f"{chrf.SIGNATURE}|version:{sacrebleu.__version__}"
