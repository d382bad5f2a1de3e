"""Scoring beside the model, through the whole pipeline with a backend of fixed answers: nothing waits, nothing is lost."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gemma_eval.backends.base import UNWATCHED, Answer, Watcher
from gemma_eval.card.rebuilt import card
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.commands.kept_answers import naming_kept_answers
from gemma_eval.data.sources import SampleSource
from gemma_eval.errors import DiskError, RunError, SandboxError
from gemma_eval.report.markdown import to_markdown
from gemma_eval.run import pipeline
from gemma_eval.run.missing import Missing
from gemma_eval.run.pipeline import RunResult, run
from gemma_eval.run.prepare import Prepared, PreparedSample
from gemma_eval.run.rescore import rescore
from gemma_eval.settings import RunConfig
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.code import CodeGeneration
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import JSON, Encoded, EncodedGenerate, Generate, GenerateResponse, Grade, Usage
from tests.limits import files_of_at_most
from tests.settings import compose

TASKS = ["gsm8k", "mbpp"]  # quick and slow
ITEMS = 6


@dataclass
class FixedAnswers:
    """Answers `answer <prompt id>`; `after` is called after each, with how many there were."""

    after: Callable[[int], None] = lambda count: None
    asked: list[int] = field(default_factory=list)
    tokenizer: Any = None
    fingerprint: dict[str, JSON] = field(default_factory=lambda: {"model": "fixed"})
    sharing: str = ""

    def load(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> None: ...

    def answer(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> Iterator[Answer]:
        for index, request in enumerate(requests):
            number = int(request.prompt[1])
            self.asked.append(number)
            yield Answer(index, GenerateResponse((f"answer {number}",), ("stop",), (2,)), Usage(2, 2, 2))
            self.after(len(self.asked))


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[FixedAnswers], RunResult]:
    """`start(backend)` runs, or resumes, both tasks."""

    def prepared(backend: FixedAnswers) -> Callable[[RunConfig], Prepared]:
        def prepare(config: RunConfig, model: object = None) -> Prepared:
            tasks = [build(task, SampleSource()) for task in config.tasks]
            samples: list[PreparedSample] = []
            for built in tasks:
                for sample in built.samples:
                    assert isinstance(sample.request, Generate)
                    encoded = EncodedGenerate(np.array([2, len(samples)], dtype=np.int32), sample.request)
                    samples.append(PreparedSample(built.task, sample, encoded, f"key{len(samples)}"))
            return Prepared(tasks, samples, backend, Checkpoint(Path(), {}, 512), Missing(), lambda request, encoded: [])

        return prepare

    def go(backend: FixedAnswers) -> RunResult:
        monkeypatch.setattr(pipeline, "prepare", prepared(backend))
        settings = ["model=local", "model.path=/nowhere", "data=samples", f"suite.tasks=[{','.join(TASKS)}]", f"limit={ITEMS}"]
        return run(compose(*settings, f"results={tmp_path}", "run=r"))

    return go


@pytest.fixture(autouse=True)
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], float]], None]:
    """`judged(f)`: both tasks score an answer by `f`, without a sandbox."""

    def judge(score: Callable[[str], float]) -> None:
        for task in map(registry().__getitem__, TASKS):
            monkeypatch.setattr(task, "extract", lambda self, text: text)
            monkeypatch.setattr(task, "judge", lambda self, answer, golds: score(answer) if answer else 0.0)
            monkeypatch.setattr(task, "check_scorable", lambda self: None)

    judge(lambda answer: 1.0)
    return judge


Start = Callable[[FixedAnswers], RunResult]
Judged = Callable[[Callable[[str], float]], None]


def lines(directory: RunDir, task: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in directory.records_file(task).read_text().splitlines()]


def test_slow_metrics_do_not_hold_up_the_model(start: Start, judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    everything_answered = threading.Event()

    def patient(answer: str) -> float:
        if int(answer.split()[-1]) < ITEMS:  # the quick task's
            return 1.0
        assert everything_answered.wait(20), "the model waits for the metric"
        return 0.5

    judged(patient)
    outcome = start(FixedAnswers(lambda count: everything_answered.set() if count == 2 * ITEMS else None))
    assert outcome.missing == {}
    assert [record.scores for record in outcome.run.records("mbpp")] == [{"pass@1": 0.5, "unfenced": 0.5}] * ITEMS
    assert len(lines(outcome.run, "gsm8k")) == ITEMS  # quick metrics: one line each
    slow = lines(outcome.run, "mbpp")
    assert [bool(line["scores"]) for line in slow] == [False] * ITEMS + [True] * ITEMS  # first the answers, then their scores


def test_a_failing_metric_names_task_and_sample_and_loses_no_answer(start: Start, judged: Judged) -> None:
    def broken(answer: str) -> float:
        if answer.split()[-1] in ("1", str(ITEMS + 2)):  # the quick task's flexible extractor gives the number alone
            raise ZeroDivisionError("cannot judge")
        return 1.0

    judged(broken)
    outcome = start(FixedAnswers())
    for task, bad in zip(TASKS, (1, 2), strict=True):
        why = f"{task}: 1 answers are kept without a score; sample {outcome.run.keys(task)[bad].id}: ZeroDivisionError: cannot judge"
        assert outcome.missing[task].startswith(why)
        assert len(outcome.run.records(task)) == ITEMS - 1
        assert len(outcome.run.answers(task)) == ITEMS
        entry = outcome.run.scores.tasks[task]
        assert (entry.n, entry.asked) == (ITEMS - 1, ITEMS)
    judged(lambda answer: 1.0)
    backend = FixedAnswers()
    mended = start(backend)
    assert backend.asked == [] and mended.missing == {}
    assert all(len(mended.run.records(task)) == ITEMS for task in TASKS)


NO_NUMBERS = [math.nan, math.inf, -math.inf, [1, 2], np.float32("nan")]


@pytest.mark.parametrize("odd", NO_NUMBERS, ids=repr)
def test_a_score_that_is_no_finite_number_is_missing_by_name(start: Start, judged: Judged, odd: Any) -> None:
    judged(lambda answer: odd if answer.split()[-1] in ("1", str(ITEMS + 2)) else 1.0)
    outcome = start(FixedAnswers())
    for task, bad in zip(TASKS, (1, 2), strict=True):
        assert outcome.missing[task].startswith(
            f"{task}: 1 answers are kept without a score; sample {outcome.run.keys(task)[bad].id}: metric '"
        )
        assert f"gives {odd!r}, which is not a finite number" in outcome.missing[task]
        assert (outcome.run.scores.tasks[task].n, outcome.run.scores.tasks[task].score.value) == (ITEMS - 1, 1.0)
    assert not {"NaN", "Infinity"} & set(re.findall(r"\w+", "".join(file.read_text() for file in outcome.run.path.rglob("*.json*"))))


def test_a_metric_that_is_not_given_is_named(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry()["gsm8k"], "score", lambda self, target, response: Grade({"other": 1.0}))
    assert "its scorer gives no 'exact_match'" in start(FixedAnswers()).missing["gsm8k"]


def test_a_corpus_metric_that_is_no_number_is_named(start: Start, judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = registry()["gsm8k"]().metrics[0]
    ones: dict[str, Any] = dict.fromkeys(registry()["gsm8k"]().metrics, 1.0)
    monkeypatch.setattr(registry()["gsm8k"], "corpus_metrics", lambda self: {metric: lambda counts: counts[..., 0] * math.nan})
    monkeypatch.setattr(registry()["gsm8k"], "score", lambda self, target, response: Grade(ones | {metric: [1]}))
    scores = start(FixedAnswers()).run.scores.tasks
    assert scores["gsm8k"].score.value is None and scores["gsm8k"].warnings == [f"{metric} is not a finite number"]
    assert scores["mbpp"].score.value == 1.0


def test_a_disk_that_fills_keeps_the_answers(start: Start, tmp_path: Path) -> None:
    def fill(count: int) -> None:
        if count == ITEMS + 2:
            disk.enter_context(files_of_at_most(max(file.stat().st_size for file in tmp_path.rglob("*.jsonl"))))

    first, second = FixedAnswers(fill), FixedAnswers()
    config = compose("suite=piqa", f"results={tmp_path}", "run=r")
    told = r"/records/mbpp.jsonl: File too large; .*; choose another place with results=FOLDER; \d+ answers are kept in .*/r; the same"
    with ExitStack() as disk, pytest.raises(DiskError, match=told) as refused, naming_kept_answers(config):
        start(first)
    assert "\n" not in str(refused.value)
    outcome = start(second)
    assert set(first.asked + second.asked) == set(range(2 * ITEMS)) and len(second.asked) < ITEMS
    assert all(len(outcome.run.records(task)) == ITEMS for task in TASKS)


def test_rescore_mends_what_could_not_be_scored(start: Start, judged: Judged) -> None:
    def nowhere(answer: str) -> float:
        raise SandboxError("no sandbox today")

    judged(nowhere)
    outcome = start(FixedAnswers())
    assert "no sandbox today" in outcome.missing["mbpp"]
    with pytest.raises(RunError, match=r"mbpp: 6 answers are kept without a score; sample \d+: no sandbox today"):
        rescore(outcome.run)
    judged(lambda answer: 1.0)
    assert rescore(outcome.run) == 2 * ITEMS
    assert rescore(outcome.run) == 0
    judged(nowhere)
    with pytest.raises(RunError):
        rescore(outcome.run)
    assert all(len(outcome.run.records(task)) == ITEMS for task in TASKS)  # old scores stay


@pytest.mark.parametrize("kill_after", [1, ITEMS, ITEMS + 1, 2 * ITEMS - 1, 2 * ITEMS])
def test_killed_while_scores_are_pending(start: Start, judged: Judged, tmp_path: Path, kill_after: int) -> None:
    """Every answer that the model gave is on disk, scored or not, and is not asked for again."""
    release = threading.Event()

    def never(answer: str) -> float:
        release.wait(20)
        return 1.0

    def kill(count: int) -> None:
        if count == kill_after:
            raise KeyboardInterrupt

    judged(lambda answer: never(answer) if answer.startswith("answer ") and int(answer.split()[-1]) >= ITEMS else 1.0)
    first = FixedAnswers(kill)
    with pytest.raises(KeyboardInterrupt):
        start(first)
    release.set()
    directory = RunDir(tmp_path / "r")
    assert sum(len(directory.answers(task)) for task in TASKS) == kill_after
    second = FixedAnswers()
    outcome = start(second)
    assert sorted(first.asked + second.asked) == list(range(2 * ITEMS))
    assert all(len(outcome.run.records(task)) == ITEMS for task in TASKS)
    assert outcome.missing == {}


def test_warnings_reach_scores_and_report(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CodeGeneration, "warnings", lambda self: ["ran without isolation"])
    scores = start(FixedAnswers()).run.scores
    assert scores.tasks["mbpp"].warnings == ["ran without isolation"] and scores.tasks["gsm8k"].warnings == []
    scores = replace(scores, model=replace(scores.model, size="1b"))
    assert to_markdown(card([scores])).count("ran without isolation") == 1
