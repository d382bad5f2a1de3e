"""SpatialSense as its authors publish it: one file with all splits, and folders of images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gemma_eval.data.sources import open_source
from gemma_eval.errors import DataError, PromptError
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import TaskSamples, build
from gemma_eval.types import Image

FLICKR, NYU, ABSENT = "https://farm4.staticflickr.com/3543/5704634119_8b8ccf3229.jpg", "nyu_depth/1017.jpg", "https://example.org/no.jpg"


def annotated(url: str, split: str, *predicates: str) -> dict[str, Any]:
    relations = [
        {
            "_id": f"{url}{predicate}",
            "predicate": predicate,
            "object": {"x": 148, "y": 402, "name": "ground", "bbox": [196, 500, 3, 278]},
            "subject": {"x": 157, "y": 317, "name": "cat", "bbox": [230, 434, 31, 264]},
            "label": predicate == "on",
        }
        for predicate in predicates
    ]
    return {"url": url, "nsid": "10392797@N03", "height": 500, "width": 281, "split": split, "annotations": relations}


def built(root: Path, rows: list[dict[str, Any]]) -> TaskSamples:
    folder = root / "princeton-vl" / "SpatialSense"
    for name in ("flickr/5704634119_8b8ccf3229.jpg", "nyu/1017.jpg"):
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "images" / name).write_bytes(name.encode())
    (folder / "annotations.json").write_text(json.dumps(rows))
    return build(registry()["spatialsense"](num_fewshot=1, seed=1), open_source(root=str(root), samples=False))


def test_the_layout_of_zenodo(tmp_path: Path) -> None:
    train, valid = annotated(FLICKR, "train", "on"), annotated(NYU, "valid", "on", "in")
    samples = built(tmp_path, [train, valid, annotated(FLICKR, "valid", "behind"), annotated(NYU, "test", "on")]).samples
    assert [(sample.target, sample.fields["query"]) for sample in samples] == [
        (["yes"], "<image>Is the cat on the ground?\nAnswer:"),
        (["no"], "<image>Is the cat in the ground?\nAnswer:"),
        (["no"], "<image>Is the cat behind the ground?\nAnswer:"),
    ]
    images = [sample.request.prompt.query[0] for sample in samples]
    assert [image.data for image in images if isinstance(image, Image)] == [
        b"nyu/1017.jpg", b"nyu/1017.jpg", b"flickr/5704634119_8b8ccf3229.jpg"
    ]  # fmt: skip
    assert samples[0].cluster == samples[1].cluster != samples[2].cluster
    ((shown, *texts),) = samples[0].request.prompt.shots
    assert isinstance(shown, Image) and shown.data == b"flickr/5704634119_8b8ccf3229.jpg"
    assert "".join(map(str, texts)) == "Is the cat on the ground?\nAnswer: yes\n\n"


def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    samples = built(tmp_path, [annotated(FLICKR, "train", "on"), annotated(ABSENT, "valid", "on")]).samples
    (image, _) = samples[0].request.prompt.query
    with pytest.raises(PromptError, match=r"no\.jpg: cannot be read"):
        _ = image.data  # type: ignore[union-attr]


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    train = annotated(FLICKR, "train", "on")
    with pytest.raises(DataError, match=r"^princeton-vl/SpatialSense .*split=valid: .*'valid'; there are train"):
        built(tmp_path, [train])
    broken = annotated(NYU, "valid", "on", "in")
    broken["annotations"][1]["subject"]["name"] = None
    where = "spatialsense: princeton-vl/SpatialSense config=default split=valid row=0-1"
    refused = built(tmp_path, [train, broken]).refused
    assert [*refused] == ["0-1"] and refused["0-1"].startswith(f"{where}: bad row: column 'subject.name': found null, expected text")
    del broken["annotations"][1]["subject"]
    assert built(tmp_path, [train, broken]).refused["0-1"].startswith(f"{where}: no column 'subject'; it has ")
