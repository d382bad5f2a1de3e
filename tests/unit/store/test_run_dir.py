from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gemma_eval.errors import RunError
from gemma_eval.store import run_dir
from gemma_eval.store.environment import Environment
from gemma_eval.store.manifest import Manifest, TaskManifest, read_manifest
from gemma_eval.store.records import SampleKey, record_from_json, record_to_json
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.usage import read_peaks, read_spent
from gemma_eval.types import GenerateResponse, Record, ScoreResponse
from tests.runs import MODEL

SCORED = Record("1", "en", "c", "p", "k", ScoreResponse((-1.5, -2.0), (1, 2), (True, False)), {"gold": 0}, {"acc": 1.0})
GENERATED = replace(
    SCORED, id="2", response=GenerateResponse(("\u2028 a\n", "b"), ("stop", "length"), (3, 4)), target=["a"], extracted=None
)


@pytest.mark.parametrize("record", [SCORED, GENERATED])
def test_records_survive_json(record: Record) -> None:
    assert record_from_json(json.loads(json.dumps(record_to_json(record)))) == record


def test_a_torn_last_line_is_dropped_and_cut_off(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    with run.append("t") as out:
        out.write(SCORED)
        out.write(GENERATED)
    file = run.records_file("t")
    file.write_bytes(file.read_bytes()[:-10])
    assert [record.id for record in run.found("t").values()] == ["1"]
    with run.append("t") as out:
        out.write(GENERATED)
    assert [record.id for record in run.found("t").values()] == ["1", "2"]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    with run.append("t") as out:
        out.write(SCORED)
    with run.records_file("t").open("a") as stream:
        stream.write('{"id": 3}\n')
    with pytest.raises(RunError, match=r"t.jsonl:2: damaged record"):
        run.found("t")


def test_a_run_in_use_is_refused(tmp_path: Path) -> None:
    with RunDir(tmp_path).lock(), pytest.raises(RunError, match="another process"), RunDir(tmp_path).lock():
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_not_another_process(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(handle: object, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with RunDir(tmp_path).lock():
        assert f"this file system has no locks ({os.strerror(number)}); let no second process write this run" in caplog.text


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run directory"):
        RunDir.open(tmp_path)


def test_damaged_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text("{")
    with pytest.raises(RunError, match=r"scores.json: cannot be read as JSON"):
        RunDir(tmp_path).read_json("scores.json")


def test_half_a_surrogate_pair_is_kept(tmp_path: Path) -> None:
    run, record = RunDir(tmp_path), replace(SCORED, fields={"question": "half \ud83d of it"})
    with run.append("t") as out:
        out.write(record)
    assert list(run.found("t").values()) == [record]
    run.write_json("x.json", record.fields)
    assert run.read_json("x.json") == record.fields


def test_the_manifest_is_parsed_once_and_again_when_it_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDir(tmp_path)
    parsed: list[Path] = []

    def counted(folder: Path) -> Manifest:
        parsed.append(folder)
        return read_manifest(folder)

    monkeypatch.setattr(run_dir, "read_manifest", counted)
    for samples in ([SampleKey("a", "key")], [SampleKey("a", "key"), SampleKey("b", "key")]):
        task = TaskManifest(settings={}, size=2, source="samples", samples=samples)
        run.write_json("manifest.json", Manifest(model=MODEL, tasks={"t": task}).to_json())
        for _ in range(3):
            assert run.keys("t") == samples and run.keys("other") == [] and list(run.manifest.tasks) == ["t"]
    assert parsed == [tmp_path] * 2


def test_a_run_without_an_environment_has_an_empty_one(tmp_path: Path) -> None:
    assert RunDir(tmp_path).environment == Environment()


@pytest.mark.parametrize("name", ["environment.json", "usage.json", "memory.json"])
def test_a_newer_document_is_refused_by_name(tmp_path: Path, name: str) -> None:
    run = RunDir(tmp_path)
    run.write_json(name, {"schema": 99})
    with pytest.raises(RunError, match=rf"/{name}: has schema 99, and this version of gemma_eval reads up to \d; use a newer version"):
        _ = (run.environment, read_spent(run), read_peaks(run))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_damage(tmp_path: Path, number: str) -> None:
    (tmp_path / "x.json").write_text(f'{{"value": {number}}}')
    with pytest.raises(RunError, match=rf"x.json: cannot be read as JSON \({number} is not a number of JSON\)"):
        RunDir(tmp_path).read_json("x.json")
    with pytest.raises(ValueError, match="not JSON compliant"):
        RunDir(tmp_path).write_json("y.json", {"value": float(number)})
    assert not (tmp_path / "y.json").exists()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"gpus": "none"}, "gpus"),
        ({"datasets": {"piqa": {"rows": 3}}}, "datasets.piqa.source"),
        ({"date": "soon"}, "the document: .*isoformat string: 'soon'"),
    ],
)
def test_a_damaged_environment_is_named(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    run = RunDir(tmp_path)
    run.write_json("environment.json", Environment(date="2026-11-22T13:22:09+00:00").to_json() | change)
    with pytest.raises(RunError, match=rf"/environment.json: damaged: {what}.*; delete the file and run the same command again"):
        _ = run.date
