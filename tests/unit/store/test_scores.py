"""scores.json: read typed and written back the same, or refused in one line that names file and field."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from gemma_eval.errors import RunError
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.scores import SCHEMA, MetricScore, PartScores, ReadAlone, Readers, Scores, Tokens, read_scores
from gemma_eval.types import Usage
from tests.damage import Place, damaged
from tests.runs import answers, card_scores, write_run

REFERENCE = sorted(Path("results/reference").glob("*/scores.json"))


def measured() -> Scores:
    """The scores of three tasks: alone, with subsets, and with groups."""
    scores = card_scores("4b", "made")
    mmlu = replace(scores.tasks["mmlu"], average="micro", macro={"score": MetricScore(0.5, 0.01, (0.4, 0.6), 57)})
    mmlu = replace(mmlu, subsets={"law": PartScores(n=3, metrics={"score": MetricScore(1 / 3)})}, missing={"virology": "no data"})
    ruler = scores.tasks["ruler"]
    ruler = replace(ruler, subsets={}, groups={"4096": ruler.groups["4096"]}, methods={"prefix tree": 9}, changed={"lengths": [4096]})
    return replace(scores, tasks={"piqa": scores.tasks["piqa"], "mmlu": mmlu, "ruler": ruler}, peak_memory={"host": 7})


SCORES = measured()


def write(folder: Path, document: Any) -> Path:
    file = folder / "scores.json"
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize("file", REFERENCE, ids=lambda file: file.parent.name)
def test_the_reference_scores_come_back_unchanged(file: Path) -> None:
    found = read_scores(file)
    assert found.to_json() == json.loads(file.read_text())
    assert len(found.tasks) > 5 and all(task.score.value is not None for task in found.tasks.values())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_scores(write(tmp_path, SCORES.to_json())) == SCORES


def test_parts_that_a_task_does_not_have_are_not_written() -> None:
    piqa, mmlu = (SCORES.to_json()["tasks"][name] for name in ("piqa", "mmlu"))
    assert not {"micro", "macro", "subsets", "groups", "signature"} & set(piqa)
    assert {"macro", "subsets"} <= set(mmlu) and "micro" not in mmlu
    assert piqa["average"] is None and piqa["missing"] == {} and piqa["methods"] == {} and piqa["changed"] == {}


def test_readers_come_back_and_are_not_written_where_they_are_not_known(tmp_path: Path) -> None:
    readers = Readers(primary=5, diagnostic=2, none=1, alone={"flexible": ReadAlone(2, 1)})
    ruler = SCORES.tasks["ruler"]
    groups = {"4096": replace(ruler.groups["4096"], readers=readers), "8192": replace(ruler.groups["4096"], readers=None)}
    shown = replace(SCORES, tasks={"ruler": replace(ruler, readers=None, groups=groups)})
    document = shown.to_json()["tasks"]["ruler"]
    assert "readers" not in document and "readers" in document["groups"]["4096"] and "readers" not in document["groups"]["8192"]
    assert read_scores(write(tmp_path, shown.to_json())) == shown


def test_the_score_is_the_primary_metrics() -> None:
    mmlu = SCORES.tasks["mmlu"]
    assert mmlu.score is mmlu.metrics["score"] and (mmlu.score.low, mmlu.score.high) == mmlu.score.ci95
    assert mmlu.other_average == ("macro", mmlu.macro) and SCORES.tasks["piqa"].other_average is None
    unknown = MetricScore(None)
    assert unknown.low is None and unknown.high is None
    assert Tokens.of(Usage(prompt=100, computed=30, generated=10)) == Tokens(100, 30, 10, 0.7778)


def test_a_run_that_is_not_scored_says_how_to_finish_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", {"piqa": answers([True])})
    assert run.has_scores and run.scores.tasks["piqa"].n == 1
    (run.path / "scores.json").unlink()
    assert not RunDir(run.path).has_scores
    with pytest.raises(RunError, match=r"/r: no scores.json yet; finish it with the same `gemma-eval run` command"):
        _ = RunDir(run.path).scores


def with_piqa(**changes: Any) -> dict[str, Any]:
    document = SCORES.to_json()
    piqa = {key: value for key, value in (document["tasks"]["piqa"] | changes).items() if value != "left out"}
    return {"tasks": document["tasks"] | {"piqa": piqa}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, rf"/scores.json: has schema 99, and this version of gemma_eval reads up to {SCHEMA}; use a newer version"),
        ({"schema": None}, r"/scores.json: says no schema, so its content cannot be trusted; run `gemma-eval rescore`"),
        ({"schema": 1.5}, r"/scores.json: says no schema"),
        ({"model": "4b"}, r"/scores.json: damaged: model: .*; run `gemma-eval rescore` on the run, which writes the file anew"),
        (with_piqa(n="many"), r"/scores.json: damaged: tasks.piqa.n: .* valid integer"),
        (with_piqa(n="left out"), r"/scores.json: damaged: tasks.piqa.n: Field required"),
        (with_piqa(primary="left out"), r"/scores.json: damaged: tasks.piqa.primary: Field required"),
        (with_piqa(primary="f1"), r"/scores.json: damaged: tasks.piqa: .*the primary metric 'f1' is not among its metrics"),
        (with_piqa(average="median"), r"/scores.json: damaged: tasks.piqa.average: "),
        (with_piqa(metrics={"score": {"value": "high"}}), r"/scores.json: damaged: tasks.piqa.metrics.score.value: .* valid number"),
        (with_piqa(metrics={"score": {"value": 0.5, "ci95": [0.4]}}), r"/scores.json: damaged: tasks.piqa.metrics.score.ci95"),
    ],
)
def test_what_cannot_be_trusted_is_refused_by_file_and_field(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=message):
        read_scores(write(tmp_path, SCORES.to_json() | change))


@pytest.mark.parametrize("content", [b"{", b"", b"\xff", b"1", b"null", b"[]"])
def test_what_is_no_document_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scores.json").write_bytes(content)
    with pytest.raises(RunError, match=r"/scores.json: (cannot be read as JSON|says no schema)"):
        read_scores(tmp_path / "scores.json")


@settings(deadline=None)
@given(case=damaged(SCORES.to_json()))
def test_damaged_scores_are_read_or_refused_in_one_line(case: tuple[Place, Any]) -> None:
    _, document = case
    with tempfile.TemporaryDirectory() as name:
        try:
            found = read_scores(write(Path(name), document))
        except RunError as error:
            assert str(error).startswith(f"{Path(name) / 'scores.json'}: ") and "\n" not in str(error)
        else:
            assert read_scores(write(Path(name), found.to_json())).to_json() == found.to_json()
            assert all(task.score is task.metrics[task.primary] for task in found.tasks.values())
