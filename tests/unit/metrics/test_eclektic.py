"""ECLeKTic: word recall, and the score that needs an answer and its source."""

from __future__ import annotations

import pytest

from gemma_eval.data.sources import open_source
from gemma_eval.metrics import eclektic
from gemma_eval.metrics import hf_evaluate as metrics
from gemma_eval.scoring.summary import summarize
from gemma_eval.task.base import Generation
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import GenerateResponse, Record, Sample


@pytest.mark.parametrize(
    ("answer", "gold", "language", "recall"),
    [
        ("It was Edith Crane.", "Edith Crane", "en", 1.0),
        ("Crane", "Edith Crane", "en", 0.5),
        ("edith crane", "Edith Crane", "en", 0.0),  # as in the baseline, case counts
        ("红花", "红色花岗岩", "zh", 0.4),
        ("1742年です", "1742年", "ja", 1.0),
        ("1750年", "1742年", "ja", 0.5),
        ("이디스", "이디스 크레인", "ko", 0.5),
        ("", "1742", "de", 0.0),
    ],
)
def test_recall(answer: str, gold: str, language: str, recall: float) -> None:
    assert eclektic.recall(answer, gold, language) == pytest.approx(recall)


def page(limit: int | None = None) -> Generation:
    task = registry()["eclektic"]()
    assert isinstance(task, Generation)
    task.seed, task.limit = 3, limit
    return task


def samples(limit: int | None = None) -> list[Sample]:
    return build(page(limit), open_source(root=None, samples=True)).samples


def record(sample: Sample, text: str) -> Record:
    response = GenerateResponse((text,), ("stop",), (1,))
    return Record(sample.id, sample.subset, sample.cluster, "", "", response, sample.target, page().score(sample.target, response).scores)


def gold(sample: Sample) -> str:
    assert isinstance(sample.target, dict)
    return f" {sample.target['gold']}"


def test_a_question_is_asked_in_twelve_languages() -> None:
    found = samples()
    assert len(found) == 36 and len({sample.cluster for sample in found}) == 3
    assert {sample.id for sample in found if sample.subset == "zh"} == {"zh/0", "zh/1", "zh/2"}


def test_a_limit_takes_whole_questions() -> None:
    """A question without its source cannot be scored."""
    assert {sample.cluster for sample in samples(12)} < {sample.cluster for sample in samples(24)}
    assert len({sample.cluster for sample in samples(12)}) == 1


def test_score_is_the_mean_over_questions_away_from_their_source() -> None:
    """Source right, all but one other right: 10 of 11. A question whose source is wrong: 0 of 11, however right elsewhere."""
    records = []
    for sample in samples():
        assert isinstance(sample.target, dict)
        at_source = sample.subset == sample.target["source"]
        wrong = at_source if sample.cluster == "sample_bees" else sample.subset == "he"
        records.append(record(sample, " ?" if wrong else gold(sample)))
    summary = summarize(page(), records, 36)
    assert summary.n == 36 and summary.primary == "eclektic"
    values = {name: metric.value for name, metric in summary.metrics.items()}
    assert values == pytest.approx({"eclektic": (10 + 10 + 0) / 33, "recall": (10 + 10 + 11) / 33, "source_recall": 22 / 33})
    assert summary.metrics["eclektic"].clusters == 3
    assert summary.subsets["he"].metrics["eclektic"].value == 0


def test_questions_without_their_source_are_left_out() -> None:
    german = [record(sample, gold(sample)) for sample in samples() if sample.subset == "de"]
    assert [r.cluster for r in german] == ["sample_mill", "sample_bridge", "sample_bees"]
    assert page().records_to_average(german) == []
    assert summarize(page(), german, 36).metrics["eclektic"].value is None


def test_exemplars_are_in_the_language_of_the_question() -> None:
    prompts = {sample.subset: sample.request.prompt for sample in samples()}
    assert prompts["fr"].shots[0] == ("Question: Quelle est la capitale de l'Australie ?\nAnswer: Canberra\n\n",)
    assert {len(prompt.shots) for prompt in prompts.values()} == {2}
    assert len({prompt.shots for prompt in prompts.values()}) == 12


def test_as_evaluate_metric() -> None:
    found = metrics.WordRecall().compute(predictions=["Crane", "红花"], references=["Edith Crane", "红色花岗岩"], languages=["en", "zh"])
    assert found == {"recall": pytest.approx(0.45)}
