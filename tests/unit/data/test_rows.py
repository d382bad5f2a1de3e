"""Rows with images, whose bytes are read when they are wanted; and what tasks make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.rows import ExpandedRows, JoinedRows, ListedRows
from gemma_eval.data.sources import open_source
from gemma_eval.errors import ConfigError, DataError, PromptError
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import Image
from tests.settings import compose


def test_parts_are_joined_and_lists_taken_apart() -> None:
    first = ListedRows([{"a": 1, "qa": [{"q": "x"}, {"q": "y"}]}, {"a": 2, "qa": []}], Path())
    second = ListedRows([{"b": 3, "qa": [{"q": "z"}]}], Path())
    joined = JoinedRows([first, second])
    assert [(row["a"], row["b"]) for row in joined.read([2, 0, 1, 2])] == [(None, 3), (1, None), (2, None), (None, 3)]
    each = ExpandedRows(joined, "qa")
    assert [(row["a"], row["b"], row["q"]) for row in each] == [(1, None, "x"), (1, None, "y"), (None, 3, "z")]
    assert each.origins == [(0, 0), (0, 1), (2, 0)]


def test_an_image_is_read_when_its_bytes_are_wanted_and_not_kept() -> None:
    reads = []

    def read() -> bytes:
        reads.append(1)
        return b"x"

    image = Image(read)
    assert not reads
    assert image.data == image.data == b"x" and len(reads) == 2
    assert image.sha256 == Image(b"x").sha256 and image == Image(b"x") and len(reads) == 3
    assert str(image) == "<image>"


def write(root: Path, repo: str, file: str, rows: list[dict[str, Any]]) -> None:
    target = root / repo / file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(map(json.dumps, rows)) + "\n")


def test_building_reads_no_image_that_a_column_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subsets, exemplars and limits are chosen by columns alone."""
    rows = [
        {
            "image": {"path": f"{i // 2}.jpg"},
            "question": f"{i}?",
            "image_id": i // 2,
            "answer_type": "other",
            "answers": [{"answer": "x"}] * 10,
        }
        for i in range(40)
    ]
    write(tmp_path, "lmms-lab/VQAv2", "validation.jsonl", rows)

    def fail(*_: object) -> bytes:
        raise AssertionError("an image was read")

    monkeypatch.setattr("gemma_eval.data.rows.file_bytes", fail)
    task = registry()["vqav2"]()
    task.seed = 1
    built = build(task, open_source(root=str(tmp_path), samples=False))
    shown = {shot[1] for sample in built.samples for shot in sample.request.prompt.shots}
    assert len(shown) == 4 and 40 - 8 <= built.size <= 40 - 4  # the exemplars' images are not scored
    assert len({sample.cluster for sample in built.samples}) == built.size / 2 + (built.size % 2)
    assert built.samples[0].fields["query"] == f"<image>{rows[int(built.samples[0].id)]['question']}\nAnswer:"


def test_a_list_of_questions_about_an_image_in_a_file(tmp_path: Path) -> None:
    ball = {"name": "ball"}
    relations = [{"subject": ball, "predicate": "on", "object": {"name": "table"}, "label": label} for label in (True, False)]
    for split, count in (("train", 3), ("valid", 2)):
        rows = [{"image": {"path": f"images/{split}{i}.png"}, "annotations": relations} for i in range(count)]
        write(tmp_path, "princeton-vl/SpatialSense", f"{split}.jsonl", rows)
    (tmp_path / "princeton-vl/SpatialSense/images").mkdir()
    (tmp_path / "princeton-vl/SpatialSense/images/valid1.png").write_bytes(b"png")
    task = registry()["spatialsense"]()
    samples = build(task, open_source(root=str(tmp_path), samples=False)).samples
    assert [(sample.id, sample.cluster, sample.target) for sample in samples] == [
        ("0-0", "0", ["yes"]), ("0-1", "0", ["no"]), ("1-0", "1", ["yes"]), ("1-1", "1", ["no"])
    ]  # fmt: skip
    image, text = samples[2].request.prompt.query
    assert isinstance(image, Image) and image.data == b"png" and text == "Is the ball on the table?\nAnswer:"
    with pytest.raises(PromptError, match=r"images/valid0\.png: cannot be read"):
        _ = samples[0].request.prompt.query[0].data  # type: ignore[union-attr]
    task.dataset = DatasetRef("princeton-vl/SpatialSense", split="train", each="relations")
    task.num_fewshot = 0
    with pytest.raises(DataError, match=r"no column 'relations', whose entries"):
        build(task, open_source(root=str(tmp_path), samples=False))


@pytest.mark.parametrize("task", ["realworldqa", "mmmu"])
def test_exemplars_of_text_only(task: str) -> None:
    for sample in build(registry()[task](), open_source(root=None, samples=True)).samples:
        prompt = sample.request.prompt
        assert all(isinstance(part, str) for shot in prompt.shots for part in shot)
        assert any(isinstance(part, Image) for part in prompt.query)


ANSWERS = {
    "countbenchqa": ["text", "number"],  # the caption has the count
    "textvqa": ["ocr_tokens", "image_classes", "answers"],
    "coco_caption": ["answer", "file_name"],
    "docvqa": ["answers"],
    "blink": ["answer"],
    "infovqa": ["ocr", "answers"],
    "mmmu": ["explanation", "answer"],
    "vqav2": ["multiple_choice_answer", "answers"],
    "okvqa": ["answers"],
    "ai2d": ["answer"],
    "chartqa": ["label"],
    "realworldqa": ["answer"],
    "remi": ["label"],
    "spatialsense": ["label"],
    "tallyqa": ["answer"],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_columns_that_give_the_answer_away_are_not_shown(name: str) -> None:
    task = registry()[name]()
    for row in open_source(root=None, samples=True).table(task.dataset, task.dataset.split, task.samples_file()).rows:
        without = {column: value for column, value in row.items() if column not in ANSWERS[name]}
        assert len(without) == len(row) - len(ANSWERS[name])
        assert task.query(without) == task.query(row)


def test_text_models_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"model=1b cannot see images, which coco_caption, docvqa, .* need\(s\)"):
        compose("model=1b", "suite=card_vision")
    assert compose("model=4b", "suite=card_vision").suite.tasks[-1] == "countbenchqa"


@pytest.mark.parametrize("path", [3, "a\0b.png", ["x"], "half \ud83d", "x" * 5000, "lost.png", ".", True])
def test_an_image_file_that_is_none_is_said_when_it_is_read(path: object, tmp_path: Path) -> None:
    row = ListedRows([{"image": {"path": path}}], tmp_path)[0]
    with pytest.raises(PromptError, match=r"^image .*(cannot be read|not the name of a file): ") as error:
        _ = row["image"].data
    assert "\n" not in str(error.value)


def test_no_path_is_no_image(tmp_path: Path) -> None:
    rows = ListedRows([{"image": {"path": None}}, {"image": {"path": ""}}], tmp_path)
    assert [row["image"] for row in rows] == [None, None]
