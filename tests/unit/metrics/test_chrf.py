"""chrF by hand; sacrebleu is asked in tests/oracle/test_chrf.py."""

from __future__ import annotations

import numpy as np
import pytest

from gemma_eval.metrics import chrf


def test_counts_by_hand() -> None:
    # "abc" against "abd": a b c / a b d, ab bc / ab bd, abc / abd; longer n-grams do not exist
    assert chrf.counts("abc", ["abd"]) == [3, 3, 2, 2, 2, 1, 1, 1, 0, *[0] * 9]


def test_score_by_hand() -> None:
    # precision and recall are both the mean of 2/3, 1/2 and 0: orders that do not exist are left out
    assert chrf.sentence("abc", ["abd"]) == pytest.approx(100 * (2 / 3 + 1 / 2) / 3)


def test_recall_weighs_twice() -> None:
    precision, recall = 1.0, (2 / 4 + 1 / 3) / 2  # of orders 1 and 2, which both sides have
    assert chrf.sentence("ab", ["abxy"]) == pytest.approx(100 * 5 * precision * recall / (4 * precision + recall))
    assert chrf.sentence("abxy", ["ab"]) > chrf.sentence("ab", ["abxy"])


@pytest.mark.parametrize("text", ["x", "ab", "\u0939\u093f\u0928\u094d\u0926\u0940", "一二三四五六七八", "The U.S. of A."])
def test_the_gold_scores_a_hundred(text: str) -> None:
    assert chrf.sentence(text, [text]) == 100
    assert chrf.sentence(f" {text}\n", ["?", text]) == 100


def test_white_space_does_not_count_and_case_does() -> None:
    assert chrf.sentence("in to", ["into"]) == 100
    assert chrf.sentence("INTO", ["into"]) == 0


def test_the_closest_gold_is_taken() -> None:
    assert chrf.counts("seven", ["7", "seven"]) == chrf.counts("seven", ["seven"])


def test_an_empty_answer_still_brings_the_gold_into_the_corpus() -> None:
    assert chrf.sentence("", ["gold"]) == 0
    assert chrf.counts("", ["ab"])[:6] == [0, 2, 0, 0, 1, 0]
    assert chrf.corpus(["", "gold"], [["gold"], ["gold"]]) < 100


def test_a_corpus_score_is_not_the_mean_of_sentence_scores() -> None:
    answers, golds = ["a long and perfect sentence", "no"], [["a long and perfect sentence"], ["yes"]]
    mean = sum(chrf.sentence(answer, gold) for answer, gold in zip(answers, golds, strict=True)) / 2
    assert mean == pytest.approx(50)
    assert chrf.corpus(answers, golds) > 85


def test_scores_of_many_counts_at_once() -> None:
    counts = [chrf.counts(answer, ["the gold answer"]) for answer in ("", "the", "the old answer", "the gold answer")]
    assert chrf.score(np.array(counts)) == pytest.approx([float(chrf.score(np.array(one))) for one in counts])
