"""Every run checks its model before the first answer: damaged models are refused by name, and the verdict is kept."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from gemma_eval.backends import UNWATCHED, Answer, Backend, Watcher
from gemma_eval.card.rebuilt import card
from gemma_eval.doctor.findings import Finding
from gemma_eval.errors import ConfigError, ModelError
from gemma_eval.report.markdown import to_markdown
from gemma_eval.run.checking import _worst
from gemma_eval.run.model import Model, open_model
from gemma_eval.run.pipeline import run
from gemma_eval.settings import RunConfig
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import JSON, Encoded, EncodedScore, GenerateResponse, ScoreResponse
from tests.settings import compose

pytestmark = pytest.mark.model
TASKS = ("piqa", "trivia_qa")


def config_for(model: Path, results: Path, *more: str) -> RunConfig:
    return compose(
        "model=local", f"model.path={model}", "data=samples", f"suite.tasks=[{','.join(TASKS)}]", f"results={results}", "run=r", "limit=4",
        "backend.dtype=float32", "backend.device=cpu", "tasks.trivia_qa.max_tokens=3", "tasks.trivia_qa.num_fewshot=0", *more,
    )  # fmt: skip


def records(directory: RunDir) -> dict[str, set[str]]:
    lines = {task: directory.records_file(task) for task in TASKS}
    return {task: {json.loads(line)["id"] for line in file.read_text().splitlines()} for task, file in lines.items() if file.is_file()}


# -- damaged checkpoints ----------------------------------------------------------------------------------------


@pytest.fixture
def damaged(tiny_gemma: Path, tmp_path: Path) -> Callable[..., Path]:
    """`damaged(change, tensor)`: the tiny model with one tensor changed in place."""

    def make(change: Callable[[torch.Tensor], Any], tensor: str) -> Path:
        folder = tmp_path / "damaged"
        shutil.copytree(tiny_gemma, folder)
        tensors = load_file(folder / "model.safetensors")
        change(tensors[tensor])
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return folder

    return make


def set_one(value: float) -> Callable[[torch.Tensor], Any]:
    return lambda tensor: tensor.view(-1)[3:4].fill_(value)


EMBEDDING = "model.embed_tokens.weight"
DAMAGES = [
    (set_one(math.nan), "model.layers.1.mlp.up_proj.weight", "1 of 128 values of model.layers.1.mlp.up_proj.weight in model.safetensors"),
    (set_one(-math.inf), "model.norm.weight", "of model.norm.weight in model.safetensors are NaN or infinite"),
    (lambda tensor: tensor.fill_(3e38), "model.norm.weight", "no stored weight is NaN or infinite, so float32 overflows"),
    (lambda tensor: tensor.zero_(), EMBEDDING, "every token equally likely"),
]


@pytest.mark.parametrize(("change", "tensor", "said"), DAMAGES, ids=["nan", "inf", "overflow", "zero"])
def test_a_model_whose_scores_would_mean_nothing_is_refused(
    damaged: Callable[..., Path], tmp_path: Path, change: Callable[[torch.Tensor], Any], tensor: str, said: str
) -> None:
    config = config_for(damaged(change, tensor), tmp_path)
    with pytest.raises(ModelError) as refused:
        run(config)
    assert said in str(refused.value) and "\n" not in str(refused.value)
    directory = RunDir(tmp_path / "r")
    assert not any(records(directory).values())
    verdict = {check.name: check.healthy for check in directory.environment.checks}
    assert verdict["log-probabilities"] is False and verdict["one BOS"] is True


def test_a_tokenizer_without_bos_is_told_and_the_prompts_have_one(tiny_gemma: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_gemma, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer | {"post_processor": None}))
    directory = run(config_for(folder, tmp_path)).run
    verdict = {check.name: check.healthy for check in directory.environment.checks}
    assert verdict == {"one BOS": True, "tokenizer": False, "log-probabilities": True, "texts": True, "shared prefixes": True}
    assert "Not as it should be: tokenizer (its files put no BOS before a text" in to_markdown(card([directory.scores]))


# -- impossible answers -----------------------------------------------------------------------------------------


@dataclass
class Impossible:
    """A real backend, some of whose answers are replaced by impossible ones: by position in the run, what becomes of the answer."""

    real: Backend
    changes: dict[int, Callable[[Answer], Answer | None]] = field(default_factory=dict)
    text_only: bool = False
    calls: int = 0
    named: set[int] = field(default_factory=set)

    @property
    def tokenizer(self) -> Any:
        return self.real.tokenizer

    @property
    def fingerprint(self) -> dict[str, JSON]:
        return self.real.fingerprint

    @property
    def sharing(self) -> str:
        return self.real.sharing

    def load(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> None:
        self.real.load(requests, watcher)

    def answer(self, requests: Sequence[Encoded], watcher: Watcher = UNWATCHED) -> Iterator[Answer]:
        if self.text_only and any(isinstance(request, EncodedScore) for request in requests):
            raise ConfigError("this server returns no log-probabilities")
        self.calls += 1
        checking = self.calls == 1  # the first call is the check's
        for answer in self.real.answer(requests, watcher):
            changed = None if checking else self.changes.get(answer.index)
            if found := changed(answer) if changed else answer:
                yield found


def scored(**changes: Callable[[ScoreResponse], Any]) -> Callable[[Answer], Answer | None]:
    """Changes fields of an answer that scores; a text loses its own."""

    def change(answer: Answer) -> Answer:
        response = answer.response
        if isinstance(response, GenerateResponse):
            return replace(answer, response=replace(response, texts=()))
        return replace(answer, response=replace(response, **{name: made(response) for name, made in changes.items()}))

    return change


CHANGES = [
    scored(logprobs=lambda response: (math.nan, *response.logprobs[1:])),
    scored(logprobs=lambda response: (*response.logprobs[:-1], math.inf)),
    scored(logprobs=lambda response: (*response.logprobs[:-1], -math.inf)),
    scored(logprobs=lambda response: (0.5, *response.logprobs[1:])),
    scored(logprobs=lambda response: response.logprobs[1:]),
    scored(greedy=lambda response: ()),
    scored(lengths=lambda response: (0, *response.lengths[1:])),
    lambda answer: None,
    lambda answer: replace(answer, fault="the logits are NaN"),
]


@pytest.fixture(scope="module")
def model(tiny_gemma: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return open_model(config_for(tiny_gemma, tmp_path_factory.mktemp("none")))


@settings(max_examples=4, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.integers(0, 7), st.sampled_from(CHANGES), max_size=8))
def test_a_run_names_exactly_the_impossible_answers_and_keeps_exactly_the_others(
    tiny_gemma: Path, model: Model, tmp_path_factory: pytest.TempPathFactory, changes: dict[int, Callable[[Answer], Answer | None]]
) -> None:
    config = config_for(tiny_gemma, tmp_path_factory.mktemp("results"))
    outcome = run(config, replace(model, backend=Impossible(model.backend, changes)))
    asked = [(task, sample.id) for task in TASKS for sample in outcome.run.manifest.tasks[task].samples]
    lost = [asked[index] for index in changes]
    kept = {(task, sample) for task, ids in records(outcome.run).items() for sample in ids}
    assert kept == set(asked) - set(lost) and len(asked) == 8
    for task in TASKS:
        count = sum(name == task for name, _ in lost)
        assert (f"{count} samples cannot be answered" in outcome.missing.get(task, "")) == bool(count)


def test_the_verdict_is_kept_and_a_run_with_all_its_answers_asks_nothing(tiny_gemma: Path, model: Model, tmp_path: Path) -> None:
    backend = Impossible(model.backend)
    first = run(config_for(tiny_gemma, tmp_path), replace(model, backend=backend)).run
    assert [check.name for check in first.environment.checks] == ["one BOS", "log-probabilities", "texts", "shared prefixes"]
    assert all(check.healthy for check in first.environment.checks) and backend.calls == 2
    asked = backend.calls
    verdict = first.environment.checks
    again = run(config_for(tiny_gemma, tmp_path), replace(model, backend=backend)).run
    assert backend.calls == asked and again.environment.checks == verdict == again.scores.checks
    line = "Checked before the first answer: one BOS, log-probabilities, texts, shared prefixes."
    assert line in to_markdown(card([again.scores])).splitlines()
    total = sum(spent["generated"] for spent in json.loads((first.path / "usage.json").read_text()).values())
    texts = [json.loads(line)["response"]["tokens"] for line in first.records_file("trivia_qa").read_text().splitlines()]
    assert total == sum(map(sum, texts)), "the check's tokens are counted for a task"


def test_what_a_server_without_log_probabilities_cannot_check_is_said(tiny_gemma: Path, model: Model, tmp_path: Path) -> None:
    config = config_for(tiny_gemma, tmp_path, "suite.tasks=[trivia_qa]")
    directory = run(config, replace(model, backend=Impossible(model.backend, text_only=True))).run
    verdict = {check.name: (check.healthy, check.detail) for check in directory.environment.checks}
    assert verdict["log-probabilities"] == (None, "not checked: this server returns no log-probabilities")
    assert verdict["texts"][0] and verdict["shared prefixes"][0] is None
    with pytest.raises(ConfigError, match="returns no log-probabilities"):
        run(config_for(tiny_gemma, tmp_path, "run=scores"), replace(model, backend=Impossible(model.backend, text_only=True)))


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([True, None, False])), max_size=3), min_size=1, max_size=4))
def test_of_several_processes_the_worst_finding_counts(drawn: list[list[tuple[str, bool | None]]]) -> None:
    found = _worst([[Finding(name, healthy, "") for name, healthy in findings] for findings in drawn])
    said: dict[str, set[bool | None]] = {}
    for name, healthy in (pair for pairs in drawn for pair in pairs):
        said.setdefault(name, set()).add(healthy)
    worst = {name: False if False in all_of else None if None in all_of else True for name, all_of in said.items()}
    assert {finding.name: finding.healthy for finding in found} == worst
