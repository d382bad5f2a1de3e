"""scores.json of a corpus metric, from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import sacrebleu

from gemma_eval.data.sources import open_source
from gemma_eval.metrics import chrf
from gemma_eval.scoring.summary import item_values, summarize
from gemma_eval.store.records import record_from_json, record_to_json
from gemma_eval.task.base import Task
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import GenerateResponse, Record, Sample

ANSWERS = ["", "{}", "{} {}", "xyz", "{:.10}", "{:.25}"]


def record(task: Task, sample: Sample, *answers: str) -> Record:
    response = GenerateResponse(answers, tuple("stop" for _ in answers), (1,) * len(answers))
    verdict = task.score(sample.target, response)
    return Record(sample.id, sample.subset, sample.cluster, "", sample.id, response, sample.target, verdict.scores, verdict.extracted)


def gold(sample: Sample) -> str:
    assert isinstance(sample.target, list)
    return str(sample.target[0])


@pytest.fixture
def task() -> Task:
    task = registry()["wmt24pp"]()
    task.seed = 7
    return task


@pytest.fixture
def records(task: Task) -> list[Record]:
    samples = build(task, open_source(root=None, samples=True)).samples
    return [record(task, sample, ANSWERS[i % 6].format(gold(sample), gold(sample))) for i, sample in enumerate(samples)]


def by_sacrebleu(records: Sequence[Record]) -> float:
    answers = [record.response.texts[0] for record in records if isinstance(record.response, GenerateResponse)]
    golds = [str(record.target[0]) for record in records if isinstance(record.target, list)]
    return sacrebleu.corpus_chrf(answers, [golds]).score


def test_the_score_is_the_mean_over_pairs_of_corpus_chrf(task: Task, records: list[Record]) -> None:
    summary = summarize(task, records, size=100)
    pairs = sorted({record.subset for record in records})
    assert len(pairs) == 2
    expected = {pair: by_sacrebleu([record for record in records if record.subset == pair]) for pair in pairs}
    found = {pair: summary.subsets[pair].metrics["chrf"].value for pair in pairs}
    assert found == pytest.approx(expected)
    score = summary.metrics["chrf"]
    assert score.value is not None and score.value == pytest.approx(sum(expected.values()) / 2)
    assert summary.micro is not None and summary.micro["chrf"].value == pytest.approx(by_sacrebleu(records))
    assert summary.signature == chrf.SIGNATURE
    assert score.ci95 is not None
    low, high = score.ci95
    assert 0 <= low < score.value < high <= 100


def test_records_keep_what_the_score_needs(task: Task, records: list[Record]) -> None:
    """Through JSON and back nothing changes, so `rescore` finds no difference; the texts are not needed for the score."""
    back = [record_from_json(record_to_json(record)) for record in records]
    assert back == records
    silent = [replace(record, response=GenerateResponse(("",), ("stop",), (1,))) for record in back]
    assert summarize(task, silent, 100).metrics == summarize(task, records, 100).metrics


def test_several_samples_of_an_item_are_added_up(task: Task, records: list[Record]) -> None:
    sample = build(task, open_source(root=None, samples=True)).samples[0]
    once, twice = record(task, sample, gold(sample)), record(task, sample, gold(sample), "")
    assert isinstance(once.scores["chrf"], list) and isinstance(twice.scores["chrf"], list)
    assert twice.scores["chrf"][1] == 2 * once.scores["chrf"][1]
    assert twice.scores["chrf_sentence"] == 50


def test_two_runs_can_be_compared_item_by_item(task: Task, records: list[Record]) -> None:
    better = [record(task, sample, gold(sample)) for sample in build(task, open_source(root=None, samples=True)).samples]
    subsets = [record.subset for record in records]
    for metric in task.metrics:
        ours, theirs = (item_values(task, run, metric, subsets) for run in (better, records))
        weights = [1 / (2 * subsets.count(subset)) for subset in subsets]
        gain = sum(weight * (a - b) for weight, a, b in zip(weights, ours, theirs, strict=True))
        after, before = (summarize(task, run, 100).metrics[metric].value for run in (better, records))
        assert after is not None and before is not None and gain == pytest.approx(after - before)


def test_groups_of_subsets_have_averages_of_their_own() -> None:
    task = registry()["ruler"]()
    response = GenerateResponse(("",), ("length",), (1,))

    def scored(subset: str, *scores: float) -> list[Record]:
        return [Record(f"{subset}/{i}", subset, f"{subset}/{i}", "", "", response, {}, {"string_match": s}) for i, s in enumerate(scores)]

    found = summarize(task, scored("4096/vt", 1, 0, 0, 0) + scored("4096/cwe", 0.5) + scored("8192/vt", 0, 0), size=9)
    assert {name: (group.n, group.metrics["string_match"].value, group.truncated) for name, group in found.groups.items()} == {
        "4096": (5, 0.375, 5),
        "8192": (2, 0.0, 2),
    }
    assert found.metrics["string_match"].value == pytest.approx((0.25 + 0.5 + 0) / 3)
