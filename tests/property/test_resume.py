"""Killed anywhere and resumed, a run has the records of one never killed; a finished run asks the model nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gemma_eval.backends.transformers import TransformersBackend
from gemma_eval.run.pipeline import run
from gemma_eval.scoring.rescore import rescore
from gemma_eval.settings import RunConfig
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import ScoreResponse
from tests.settings import compose

TASKS = ["piqa", "trivia_qa"]


def config_for(model: Path, results: Path, *more: str) -> RunConfig:
    return compose(
        "model=local", f"model.path={model}", "data=samples", "suite.tasks=[piqa,trivia_qa]", f"results={results}", "run=r", "limit=5",
        "backend.dtype=float32", "tasks.trivia_qa.max_tokens=3", *more
    )  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(tiny_gemma: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return run(config_for(tiny_gemma, tmp_path_factory.mktemp("results"))).run


def assert_same(one: RunDir, other: RunDir) -> None:
    """The same records; log-probabilities within what float32 promises for another batch."""
    for task in TASKS:
        pairs = list(zip(one.records(task), other.records(task), strict=True))
        assert len(pairs) == 5
        for a, b in pairs:
            if isinstance(a.response, ScoreResponse) and isinstance(b.response, ScoreResponse):
                assert a.response.logprobs == pytest.approx(b.response.logprobs, abs=1e-3, rel=2e-5)
                b = replace(b, response=a.response)
            assert a == b


# a run takes seconds, so a failure is shown as found and not shrunk
@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
@given(cuts=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_cut_anywhere_and_resumed(
    unbroken: RunDir, tiny_gemma: Path, tmp_path_factory: pytest.TempPathFactory, cuts: tuple[float, float]
) -> None:
    results = tmp_path_factory.mktemp("cut")
    shutil.copytree(unbroken.path, results / "r")
    for task, cut in zip(TASKS, cuts, strict=True):
        file = results / "r" / "records" / f"{task}.jsonl"
        file.write_bytes(file.read_bytes()[: int(file.stat().st_size * cut)])
    resumed = run(config_for(tiny_gemma, results)).run
    assert_same(resumed, unbroken)
    for task in TASKS:  # nothing torn, nothing twice
        lines = resumed.records_file(task).read_text().splitlines()
        assert len({json.loads(line)["id"] for line in lines}) == len(lines) == 5


def test_a_finished_run_asks_the_model_nothing(unbroken: RunDir, tiny_gemma: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {task: unbroken.records_file(task).read_bytes() for task in TASKS}
    prompts = {file: file.stat().st_ino for file in (unbroken.path / "prompts").iterdir()}
    assert unbroken.read_json("scores.json")["peak_memory"]["host"] > 1 << 26

    def never(self: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(TransformersBackend, "model", property(never))
    again = run(config_for(tiny_gemma, unbroken.path.parent))
    assert {task: again.run.records_file(task).read_bytes() for task in TASKS} == before
    assert {file: file.stat().st_ino for file in prompts} == prompts, "written again"


def test_a_wider_limit_keeps_what_is_there(tiny_gemma: Path, tmp_path: Path) -> None:
    narrow = run(config_for(tiny_gemma, tmp_path)).run
    first = {task: set(narrow.records_file(task).read_text().splitlines()) for task in TASKS}
    wide = run(config_for(tiny_gemma, tmp_path, "limit=8")).run
    for task in TASKS:
        lines = wide.records_file(task).read_text().splitlines()
        assert first[task] < set(lines) and len(lines) == 8 == len(wide.records(task))


def test_changed_settings_are_asked_anew_and_old_records_stay_unread(tiny_gemma: Path, tmp_path: Path) -> None:
    run(config_for(tiny_gemma, tmp_path))
    changed = run(config_for(tiny_gemma, tmp_path, "tasks.piqa.num_fewshot=2")).run
    assert len(changed.records_file("piqa").read_text().splitlines()) == 10
    assert len(changed.records("piqa")) == 5
    assert len(changed.records_file("trivia_qa").read_text().splitlines()) == 5


def test_rescore_mends_scores_without_a_model(unbroken: RunDir, tmp_path: Path) -> None:
    shutil.copytree(unbroken.path, tmp_path / "r")
    file = tmp_path / "r" / "records" / "piqa.jsonl"
    records = [json.loads(line) for line in file.read_text().splitlines()]
    records[0]["scores"]["acc"] = 1.0 - records[0]["scores"]["acc"]
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert rescore(RunDir.open(tmp_path / "r")) == 1
    assert_same(RunDir(tmp_path / "r"), unbroken)
    assert rescore(RunDir.open(tmp_path / "r")) == 0


def test_two_items_with_one_question_share_the_answer(plugin_page: Path, tiny_gemma: Path, tmp_path: Path) -> None:
    samples = plugin_page.parent / "samples" / "capitals.jsonl"
    lines = samples.read_text().splitlines()
    samples.write_text("\n".join([lines[0], *lines]) + "\n")
    from gemma_eval.task.registry import load_plugins

    load_plugins([str(plugin_page)])
    config = compose("model=local", f"model.path={tiny_gemma}", "data=samples", "suite=capitals", f"results={tmp_path}", "run=r")
    records = run(config).run.records("capitals")
    assert [record.id for record in records] == ["0", "1", "2", "3"]
    assert records[0].key == records[1].key and records[0].response == records[1].response
    again = run(config).run
    assert len(again.records_file("capitals").read_text().splitlines()) == 4
