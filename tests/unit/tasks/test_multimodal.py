"""What the image pages make of answers, and how their averages come about."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from statistics import mean
from typing import Any

import datasets
import pytest

from gemma_eval.data.sources import open_source
from gemma_eval.metrics import cider
from gemma_eval.scoring.summary import summarize
from gemma_eval.task.base import Generation
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import GenerateResponse, Record, Sample


def task_of(name: str, **settings: Any) -> Generation:
    task = registry()[name]()
    assert isinstance(task, Generation)
    for field, value in settings.items():
        setattr(task, field, value)
    return task


def samples_of(task: Generation) -> list[Sample]:
    return build(task, open_source(root=None, samples=True)).samples


def answered(task: Generation, sample: Sample, text: str) -> Record:
    response = GenerateResponse((text,), ("stop",), (1,))
    grade = task.score(sample.target, response)
    return Record(sample.id, sample.subset, sample.cluster, "", "", response, sample.target, grade.scores, grade.extracted)


def test_a_caption_is_scored_among_all_captions() -> None:
    task = task_of("coco_caption")
    samples = samples_of(task)
    references = [[str(one) for one in sample.target] for sample in samples]  # type: ignore[union-attr]
    captions = [several[0] if number % 2 else "a picture" for number, several in enumerate(references)]
    records = [answered(task, sample, caption) for sample, caption in zip(samples, captions, strict=True)]
    summary = summarize(task, records, len(records))
    found = summary.metrics["cider"]
    assert summary.primary == "cider" and found.value == pytest.approx(mean(cider.scores(captions, references)))
    assert found.value is not None and found.ci95 is not None
    assert 0 < found.ci95[0] < found.value < found.ci95[1] < 10
    assert summarize(task, records[:1], len(records)).metrics["cider"].value == 0  # alone, no word is rare


def test_chartqa_is_the_mean_of_its_halves() -> None:
    task = task_of("chartqa")
    samples = samples_of(task)
    records = [answered(task, sample, str(sample.target[0]) if sample.subset == "human" else "") for sample in samples]  # type: ignore[index]
    assert {record.subset: record.scores["relaxed_accuracy"] for record in records} == {"human": 1.0, "augmented": 0.0}
    assert len({sum(record.subset == half for record in records) for half in ("human", "augmented")}) == 2  # halves of different size
    assert summarize(task, records, len(records)).metrics["relaxed_accuracy"].value == 0.5


def test_questions_about_one_image_are_one_cluster() -> None:
    for name in ("docvqa", "infovqa", "vqav2", "okvqa", "tallyqa", "spatialsense", "ai2d", "chartqa"):
        samples = samples_of(task_of(name))
        images = {sample.id: [part for part in sample.request.prompt.query if not isinstance(part, str)] for sample in samples}
        by_content = {sample.id: tuple(image.sha256 for image in images[sample.id]) for sample in samples}
        assert len(set(by_content.values())) == len({sample.cluster for sample in samples}) < len(samples), name
        assert len({(by_content[sample.id], sample.cluster) for sample in samples}) == len(set(by_content.values())), name
        shown = {part.sha256 for sample in samples for shot in sample.request.prompt.shots for part in shot if not isinstance(part, str)}
        assert not shown & {digest for digests in by_content.values() for digest in digests} or name == "chartqa", name


@pytest.mark.parametrize(
    ("name", "text", "scores"),
    [
        ("ai2d", " D. the rest", None),
        ("realworldqa", " Four.", None),
        ("tallyqa", " three boats", {"exact_match": 0.0}),
        ("spatialsense", " Maybe", {"exact_match": 0.0}),
    ],
)
def test_answers_that_are_no_answers(name: str, text: str, scores: dict[str, float] | None) -> None:
    task = task_of(name)
    for sample in samples_of(task):
        record = answered(task, sample, text)
        if scores is not None:
            assert record.extracted is None and record.scores["exact_match"] == scores["exact_match"]
        assert record.scores["exact_match"] in (0.0, 1.0)


def test_letters_and_words_of_realworldqa() -> None:
    judge = task_of("realworldqa").judge
    assert [judge(text, ["B"]) for text in ("B", "(B)", "B. The blue one", "b", "A", "The blue one", "Both")] == [1, 1, 1, 1, 0, 0, 0]
    assert [judge(text, ["Yes"]) for text in ("yes", "YES.", "yes, it is", "no")] == [1, 1, 0, 0]


def test_an_annotator_alone_is_worth_three_tenths() -> None:
    task = task_of("vqav2")
    golds = ["red"] * 6 + ["dark red"] * 3 + ["maroon"]
    texts = ("red", " Dark red.", "maroon", "blue")
    scores = [task.grade(text, list(golds)).scores["vqa"] for text in texts]
    assert scores == pytest.approx([1.0, 0.9, 0.3, 0.0])
    assert [task.grade(text, ["yes"] * 10).scores for text in ("yes", "Yes")] == [
        {"vqa": 1, "vqa_cleaned": 1},
        {"vqa": 0, "vqa_cleaned": 1},
    ]


def test_images_of_many_megabytes_are_not_held(tmp_path: Path) -> None:
    """Samples are made of 300 images of 1 MB each. All images are read, and only one is in memory at a time."""
    megabyte = 1 << 20
    features = datasets.Features(
        {"image": datasets.Image(decode=False), "question": datasets.Value("string"), "number": datasets.Value("int64")}
    )

    def rows() -> Any:
        for i in range(300):
            yield {"image": {"bytes": i.to_bytes(4, "big") * (megabyte // 4), "path": None}, "question": f"{i}?", "number": 3}

    folder = tmp_path / "vikhyatk" / "CountBenchQA" / "data"
    folder.mkdir(parents=True)
    datasets.Dataset.from_generator(rows, features=features, cache_dir=str(tmp_path / "cache")).to_parquet(
        folder / "test.parquet", batch_size=20
    )
    task = task_of("countbenchqa")
    built = build(task, open_source(root=str(tmp_path), samples=False))
    tracemalloc.start()
    digests = {part.sha256 for sample in built.samples for part in sample.request.prompt.query if not isinstance(part, str)}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(digests) == 300 and peak < 8 * megabyte
