"""A run over prompts with images: what cannot be read fails alone, and everything else is answered and kept."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gemma_eval.commands import preview
from gemma_eval.report.items import write_items
from gemma_eval.run import pipeline as run
from gemma_eval.run import prepare
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.samples import TaskSamples, build
from gemma_eval.types import Image, Parts, Prompt, Sample
from tests.settings import compose
from tools.tiny_vision import picture


@pytest.fixture
def illustrated(monkeypatch: pytest.MonkeyPatch) -> list[Image]:
    """Puts a picture before each item of any task: of five, the second is no image and the fourth is cut short."""
    sound = picture(3, 300, 200)
    pictures = [picture(0), Image(b"no image"), picture(1), Image(sound.data[:-100]), picture(2)]

    def with_picture(sample: Sample, image: Image) -> Sample:
        shots: tuple[Parts, ...] = ((picture(9), "A picture.\n\n"),)
        prompt = Prompt((image, *sample.request.prompt.query), shots)
        return replace(sample, request=replace(sample.request, prompt=prompt))

    def illustrating(*arguments: Any) -> TaskSamples:
        built = build(*arguments)
        return replace(built, samples=[with_picture(sample, image) for sample, image in zip(built.samples, pictures, strict=False)])

    monkeypatch.setattr(prepare, "build", illustrating)
    return pictures


def test_broken_images_fail_alone(illustrated: list[Image], tiny_vision: Path, tmp_path: Path) -> None:
    settings = [f"model.path={tiny_vision}", "model=local", "data=samples", "backend.dtype=float32", f"results={tmp_path}", "run=images"]
    config = compose(*settings, "suite=boolq,trivia_qa", "limit=5", "tasks.trivia_qa.max_tokens=2")
    outcome = run.run(config)
    for name in ("boolq", "trivia_qa"):
        assert len(RunDir.open(outcome.run.path).records(name)) == 3
        assert "1 of 5 prompts cannot be sent; sample" in outcome.missing[name]
        assert "1 samples cannot be answered; sample" in outcome.missing[name]
    shown = [illustrated[i].sha256 for i in (0, 2, 4)] + [picture(9).sha256]
    assert {file.stem for file in (outcome.run.path / "images").iterdir()} == {*shown}, "a thumbnail of every picture that was answered"
    write_items([outcome.run], tmp_path / "items")
    assert {file.stem for file in (tmp_path / "items/images").iterdir()} == {*shown}
    before = RunDir.open(outcome.run.path).read_json("usage.json")
    again = run.run(config)
    assert again.missing == outcome.missing
    assert len(RunDir.open(again.run.path).records("boolq")) == 3
    assert RunDir.open(again.run.path).read_json("usage.json") == before


def test_all_fifteen_rows_run(tiny_vision: Path, tmp_path: Path) -> None:
    """With the settings of `make demo`, which say wherever the run is named that its weights are random."""
    limits = [f"tasks.{name}.max_tokens=2" for name in compose("suite=card_vision", "model=4b").suite.tasks]
    outcome = run.run(compose("experiment=demo_images", f"model.path={tiny_vision}", f"results={tmp_path}", "limit=1", *limits))
    found = outcome.run.scores
    assert outcome.run.name == "demo-images-random-weights" and str(found.model).startswith("Gemma 3 RANDOM WEIGHTS")
    assert not outcome.missing and len(found.tasks) == 15 and {task.n for task in found.tasks.values()} == {1}
    seen = {name: task.tokens.prompt // 256 for name, task in found.tasks.items()}
    assert all(seen[name] >= 5 for name in ("coco_caption", "docvqa", "textvqa", "ai2d", "chartqa")), seen


def test_preview_shows_where_images_stand(illustrated: list[Image], tiny_vision: Path) -> None:
    shown = io.StringIO()
    config = compose(f"model.path={tiny_vision}", "model=local", "data=samples", "suite=boolq", "limit=2")
    missing = preview.preview(config, Console(file=shown, soft_wrap=True))
    assert f"<start_of_image>[256 soft tokens: image {illustrated[0].sha256[:8]}]<end_of_image>" in shown.getvalue()
    assert "1 of 2 prompts cannot be sent" in missing["boolq"] and "an image cannot be read" in missing["boolq"]
