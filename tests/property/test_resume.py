"""Killed anywhere and resumed, a run has the records of one never killed; a finished run asks the model nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gemma_eval.backends.transformers import TransformersBackend
from gemma_eval.card.rebuilt import Verdict, sheets
from gemma_eval.errors import RunError
from gemma_eval.run.model import Model, open_model
from gemma_eval.run.pipeline import RunResult, run
from gemma_eval.run.rescore import rescore
from gemma_eval.settings import RunConfig
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.registry import registry
from gemma_eval.types import ScoreResponse
from tests.settings import compose

TASKS = ["piqa", "trivia_qa"]
FIVE = ["piqa", "arc_easy", "boolq", "trivia_qa", "gsm8k"]


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
    assert unbroken.scores.peak_memory["host"] > 1 << 26

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


Start = Callable[..., RunResult]


@pytest.fixture(scope="module")
def start(tiny_gemma: Path) -> Start:
    """`start(results, *settings)` runs five tasks into `results/r`, or what the settings say. Each engine is opened once."""
    models: dict[str, Model] = {}

    def start(results: Path, *more: str) -> RunResult:
        five = [f"suite.tasks=[{','.join(FIVE)}]", "limit=4", "tasks.gsm8k.max_tokens=3"]
        config = config_for(tiny_gemma, results, *five, *more)
        dtype = config.backend.dtype.value
        models[dtype] = models.get(dtype) or open_model(config)
        return run(config, models[dtype])

    return start


@pytest.fixture(scope="module")
def finished(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a finished run."""
    results = tmp_path_factory.mktemp("five")
    assert not start(results).missing
    return results


@pytest.fixture
def results(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(finished, tmp_path / "results"))


def content(directory: Path) -> dict[str, bytes]:
    return {str(file.relative_to(directory)): file.read_bytes() for file in sorted(directory.rglob("*")) if file.is_file()}


def test_fewer_tasks_and_items_keep_all_that_the_run_has(start: Start, results: Path) -> None:
    before = RunDir.open(results / "r")
    scores, manifest, files = before.scores, before.manifest, content(before.path)
    again = start(results, "suite.tasks=[piqa]", "limit=2")
    assert not again.missing and list(scores.tasks) == FIVE and {task.n for task in scores.tasks.values()} == {4}
    assert again.run.scores == scores and again.run.manifest.tasks == manifest.tasks
    assert set(again.run.environment.datasets) == set(FIVE)
    assert list(yaml.safe_load((again.run.path / "config.yaml").read_text())["tasks"]) == FIVE
    now = content(again.run.path)
    assert {name for name in files if now.get(name) != files[name]} <= {"config.yaml", "environment.json", "manifest.json"}
    assert rescore(again.run) == 0 and again.run.scores.tasks == scores.tasks
    shown = {cell.benchmark for sheet in sheets(again.run.scores) for cell in sheet.cells if cell.verdict is not Verdict.not_run}
    assert shown == {registry()[name].card for name in FIVE}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (["suite.tasks=[piqa]", "limit=2", "tasks.piqa.num_fewshot=2"], r"piqa: this run has 4 items of it.*num_fewshot=0 then, 2 now"),
        (["tasks.piqa.num_fewshot=2"], r"piqa: this run has 4 items of it.*\(num_fewshot=0 then, 2 now\)"),
        (["tasks.piqa.normalization=none"], r"piqa: this run has 4 items of it.*\(normalization=characters then, none now\)"),
        (["tasks.gsm8k.max_tokens=4"], r"gsm8k: this run has 4 items of it.*\(max_tokens=3 then, 4 now\)"),
        (["suite.tasks=[piqa]", "seed=7", "limit=2"], r"piqa: this run has 4 items of it.*seed=1234 then, 7 now"),
        (["suite.tasks=[piqa,arc_easy]", "backend.dtype=bfloat16"], r"another model or engine \(dtype float32 then, bfloat16 now"),
        (["backend.dtype=bfloat16"], r"another model or engine \(dtype float32 then, bfloat16 now"),
    ],
)
def test_what_would_lose_answers_is_refused_before_anything_is_written(start: Start, results: Path, change: list[str], why: str) -> None:
    before = content(results / "r")
    with pytest.raises(RunError, match=rf"{why}.*run=NAME"):
        start(results, *change)
    assert content(results / "r") == before


def test_a_wider_limit_of_one_task_extends_it(start: Start, results: Path) -> None:
    before = RunDir.open(results / "r")
    first, scores = before.records("piqa"), before.scores
    wide = start(results, "suite.tasks=[piqa]", "limit=7").run
    assert {name: task.n for name, task in wide.scores.tasks.items()} == dict.fromkeys(FIVE, 4) | {"piqa": 7}
    assert all(record in wide.records("piqa") for record in first)
    assert len(wide.records_file("piqa").read_text().splitlines()) == 7
    assert {name: wide.scores.tasks[name] for name in FIVE[1:]} == {name: scores.tasks[name] for name in FIVE[1:]}


def test_another_task_joins_a_finished_run(start: Start, results: Path) -> None:
    wide = start(results, "suite.tasks=[winogrande]").run
    assert list(wide.scores.tasks) == [*FIVE, "winogrande"]


def test_a_run_without_an_answer_has_nothing_to_lose(start: Start, results: Path) -> None:
    shutil.rmtree(results / "r" / "records")
    other = start(results, "suite.tasks=[piqa]", "backend.dtype=bfloat16").run
    assert other.environment.model["dtype"] == "bfloat16" and list(other.scores.tasks) == ["piqa"]


def test_a_run_of_an_older_version_that_was_not_finished_goes_on(start: Start, results: Path) -> None:
    """Schema 1 names the model in scores.json alone. The error says what to do, and that works."""
    directory = RunDir(results / "r")
    old = {key: value for key, value in directory.manifest.to_json().items() if key not in ("model", "suite")} | {"schema": 1}
    directory.write_json("manifest.json", old)
    assert RunDir(directory.path).manifest.model == directory.scores.model
    (directory.path / "scores.json").unlink()
    with pytest.raises(RunError, match="delete the file and run the same command again"):
        start(results)
    (directory.path / "manifest.json").unlink()
    lines = directory.records_file("piqa").read_text()
    assert list(start(results).run.scores.tasks) == FIVE
    assert directory.records_file("piqa").read_text() == lines
