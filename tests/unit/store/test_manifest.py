"""manifest.json: read typed, by every schema there was, or refused in one line that names file and field."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.errors import RunError
from gemma_eval.store.manifest import SCHEMA, GroupSize, Manifest, TaskManifest, read_manifest
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.registry import registry
from tests.damage import Place, damaged
from tests.runs import MODEL, answers, write_run

REFERENCE = sorted(file.parent for file in Path("results/reference").glob("*/manifest.json"))
MANIFEST = Manifest(
    model=MODEL,
    suite="two",
    plugins=["capitals.py"],
    tasks={
        "piqa": TaskManifest(settings={"limit": None}, size=2, source="folder", samples=[SampleKey("0", "a"), SampleKey("1", "b")]),
        "ruler": TaskManifest(
            settings={"lengths": [4096]},
            size=9,
            source="samples",
            samples=[SampleKey("4096/vt/0", "c")],
            groups={"4096": GroupSize(9, 1)},
            missing={"8192/vt": "too long"},
        ),
    },
)


def write(folder: Path, document: Any) -> Path:
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder


def schema_1(manifest: Manifest) -> dict[str, Any]:
    """The manifest as the first version wrote it: without model and suite."""
    return {key: value for key, value in manifest.to_json().items() if key not in ("model", "suite")} | {"schema": 1}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_manifest(write(tmp_path, MANIFEST.to_json())) == MANIFEST


def test_the_settings_of_every_task_are_read_as_they_were(tmp_path: Path) -> None:
    """A setting that JSON gave back as another value would look changed when the run is started again."""
    tasks = {name: TaskManifest(settings=task().settings(), size=1, source="hub", samples=[]) for name, task in registry().items()}
    manifest = Manifest(model=MODEL, tasks=tasks)
    assert read_manifest(write(tmp_path, manifest.to_json())) == manifest


@pytest.mark.parametrize("folder", REFERENCE, ids=lambda folder: folder.name)
def test_the_reference_runs_are_read(folder: Path) -> None:
    found = read_manifest(folder)
    assert (found.schema, found.suite) == (SCHEMA, "")
    assert str(found.model) == "Gemma 3 270M pt, gguf_q4_k_m, bfloat16 on transformers"
    assert len(found.tasks) > 5 and found.tasks["piqa"].settings["num_fewshot"] == 0 and found.tasks["piqa"].size == 1838


def test_schema_1_takes_the_model_from_the_scores(tmp_path: Path) -> None:
    run = write_run(tmp_path / "old", {"piqa": answers([True, False])}, model={"size": "12b"})
    expected = run.manifest
    write(run.path, schema_1(expected))
    assert RunDir(run.path).manifest.model.size == "12b"
    assert RunDir(run.path).manifest.tasks == expected.tasks


@pytest.mark.parametrize("scores", [None, "[]", "{}", '{"model": null}'])
def test_schema_1_without_a_model_is_refused(tmp_path: Path, scores: str | None) -> None:
    write(tmp_path, schema_1(MANIFEST))
    if scores is not None:
        (tmp_path / "scores.json").write_text(scores)
    with pytest.raises(RunError, match=r"/manifest.json: has schema 1, which does not name the model; delete the file and run"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, rf"/manifest.json: has schema 99, and this version of gemma_eval reads up to {SCHEMA}; use a newer version"),
        ({"schema": None}, r"/manifest.json: says no schema, so its content cannot be trusted; delete the file"),
        ({"schema": "2"}, r"/manifest.json: says no schema"),
        ({"schema": True}, r"/manifest.json: says no schema"),
        ({"schema": 0}, r"/manifest.json: says no schema"),
        ({"model": None}, r"/manifest.json: damaged: model: "),
        ({"model": {"size": "1b"}}, r"/manifest.json: damaged: model.variant: Field required; delete the file and run the same command"),
        ({"tasks": []}, r"/manifest.json: damaged: tasks: "),
        ({"tasks": {"piqa": {"settings": {}, "source": "hub", "samples": []}}}, r"damaged: tasks.piqa.size: Field required"),
        ({"tasks": {"piqa": {"settings": {}, "source": "hub", "size": "many", "samples": []}}}, r"damaged: tasks.piqa.size: .* integer"),
        (
            {"tasks": {"piqa": {"settings": {}, "source": "hub", "size": 1, "samples": [["0"]]}}},
            r"damaged: tasks.piqa.samples.0.1: Field required",
        ),
    ],
)
def test_what_cannot_be_trusted_is_refused_by_file_and_field(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=message):
        read_manifest(write(tmp_path, MANIFEST.to_json() | change))


@pytest.mark.parametrize("content", [b"{", b"", b"\xff", b"2", b"null", b"[]"])
def test_what_is_no_document_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(RunError, match=r"/manifest.json: (cannot be read as JSON|says no schema)"):
        read_manifest(tmp_path)


def test_a_folder_without_one_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run directory"):
        read_manifest(tmp_path)


@settings(deadline=None)
@given(case=st.sampled_from([MANIFEST.to_json(), schema_1(MANIFEST)]).flatmap(damaged), scored=st.booleans())
def test_a_damaged_manifest_is_read_or_refused_in_one_line(case: tuple[Place, Any], scored: bool) -> None:
    _, document = case
    with tempfile.TemporaryDirectory() as name:
        folder = write(Path(name), document)
        if scored:
            (folder / "scores.json").write_text(json.dumps({"model": MANIFEST.to_json()["model"]}))
        try:
            found = read_manifest(folder)
        except RunError as error:
            assert str(error).startswith(f"{folder / 'manifest.json'}: ") and "\n" not in str(error)
        else:
            assert found.schema == SCHEMA and read_manifest(write(folder, found.to_json())).to_json() == found.to_json()
