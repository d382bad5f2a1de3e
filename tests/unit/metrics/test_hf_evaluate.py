"""The metrics as `evaluate.Metric`s, offline."""

from __future__ import annotations

import evaluate
import pytest

from gemma_eval.metrics import hf_evaluate as metrics
from tests.sandboxes import needs_bubblewrap

METRICS = {name: found for name, found in vars(metrics).items() if isinstance(found, type) and issubclass(found, evaluate.Metric)}


def test_every_metric_is_a_class_that_says_what_it_is() -> None:
    assert len(METRICS) == 29
    for name, cls in METRICS.items():
        assert (cls.__name__, cls.__module__) == (name, metrics.__name__)
        assert cls.__doc__ and cls().description == cls.__doc__
        assert set(cls().features) == {"predictions", "references"}


def test_answers() -> None:
    trivia = metrics.TriviaQAExactMatch().compute(predictions=["the Beatles", "x"], references=[["Beatles"], ["y"]])
    assert trivia == {"exact_match": 0.5}
    assert metrics.SquadExactMatch().compute(predictions=["U.S.A."], references=[["usa", "us"]]) == {"exact_match": 1.0}
    assert metrics.NumberMatch().compute(predictions=["1,000"], references=[["1000"]]) == {"exact_match": 1.0}
    assert metrics.LocalNumberMatch().compute(predictions=["1.234,5", "x"], references=[["1234.5"], ["1"]]) == {"exact_match": 0.5}


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


def test_image_answers() -> None:
    ten = ["red"] * 3 + ["dark red"] * 7
    assert metrics.ANLS().compute(predictions=["abcd", "x"], references=[["abce", "z"], ["long answer"]]) == {"anls": 0.375}
    assert metrics.VQAAccuracy().compute(predictions=["red"], references=[ten]) == pytest.approx({"vqa": 0.9})
    assert metrics.TextVQAAccuracy().compute(predictions=["a Red?"], references=[["red"] * 10]) == {"vqa": 1.0}
    assert metrics.RelaxedAccuracy().compute(predictions=["$1,040", "106"], references=[["1000"], ["100"]]) == {"relaxed_accuracy": 0.5}
    assert metrics.CountMatch().compute(predictions=["Five.", "five cats"], references=[["5"], ["5"]]) == {"exact_match": 0.5}
    assert metrics.LetterMatch().compute(predictions=["(B) zygote", "A zygote"], references=[["B"], ["A"]]) == {"exact_match": 0.5}
    assert metrics.YesNoMatch().compute(predictions=["Yes, it is", "not no"], references=[["yes"], ["no"]]) == {"exact_match": 0.5}
    assert metrics.MMMUOpenMatch().compute(predictions=["so it is 1,001.0"], references=[["1001"]]) == {"exact_match": 1.0}
    options = [["cat", "dog"]] * 2
    assert metrics.MMMUChoice().compute(predictions=["(B)", "no idea"], references=[["B"], ["A"]], options=options) == {"exact_match": 0.5}
    assert metrics.ReMIMatch().compute(predictions=["55", "55"], references=[["50"], ["50"]], tasks=["Clocks", "IQ"]) == {
        "exact_match": 0.5
    }
    captions = {"predictions": ["a cat", "a boat"], "references": [["a cat"], ["two dogs"]]}
    assert metrics.CIDErD().compute(**captions) == pytest.approx({"cider": 10 * 0.5 / 2})  # no three-word runs


@needs_bubblewrap
def test_programs() -> None:
    programs = ["def f(x): return x + 1", "def f(x): return x - 1"]
    assert metrics.PassAt1().compute(predictions=programs, references=["assert f(1) == 2"] * 2) == {"pass@1": 0.5}
