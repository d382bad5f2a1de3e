"""The metrics as `evaluate.Metric`s, offline."""

from __future__ import annotations

import pytest

from gemma_eval import metrics
from tests.sandboxes import needs_bubblewrap


def test_answers() -> None:
    trivia = metrics.TriviaQAExactMatch().compute(predictions=["the Beatles", "x"], references=[["Beatles"], ["y"]])
    assert trivia == {"exact_match": 0.5}
    assert metrics.SquadExactMatch().compute(predictions=["U.S.A."], references=[["usa", "us"]]) == {"exact_match": 1.0}
    assert metrics.NumberMatch().compute(predictions=["1,000"], references=[["1000"]]) == {"exact_match": 1.0}


def test_string_match() -> None:
    said = {"predictions": ["It is 12 and ABC", "no"], "references": [["abc", "99"], ["x", "NO"]]}
    assert metrics.StringMatchAll().compute(**said) == {"string_match": 0.5}
    assert metrics.StringMatchPart().compute(**said) == {"string_match": 1.0}


def test_token_f1() -> None:
    found = metrics.SquadTokenF1().compute(predictions=["the old mill", "x"], references=[["mill", "an old bridge"], ["y"]])
    assert found == pytest.approx({"f1": (2 / 3) / 2})


def test_chrf() -> None:
    answers = {"predictions": ["perfect, and longer", "no"], "references": [["perfect, and longer"], ["yes"]]}
    assert metrics.SentenceChrF().compute(**answers) == {"chrf": 50.0}
    assert metrics.CorpusChrF().compute(**answers)["chrf"] > 80


def test_batches_add_up() -> None:
    metric = metrics.SquadExactMatch()
    metric.add_batch(predictions=["a b"], references=[["a b"]])
    metric.add(prediction="c", reference=["d"])
    assert metric.compute() == {"exact_match": 0.5}


def test_choices() -> None:
    found = metrics.ChoiceAccuracy().compute(predictions=[[-2.0, -2.4]], references=[1], choices=[["no", "yes"]])
    assert found == pytest.approx({"acc": 0.0, "acc_norm": 1.0})


@needs_bubblewrap
def test_programs() -> None:
    programs = ["def f(x): return x + 1", "def f(x): return x - 1"]
    assert metrics.PassAt1().compute(predictions=programs, references=["assert f(1) == 2"] * 2) == {"pass@1": 0.5}
