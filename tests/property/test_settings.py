"""Settings are resolved once and never written to: not by the runner, the checks, or anything else."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.config.checks import validate
from gemma_eval.config.selection import resolved
from gemma_eval.run.model import Model, open_model
from gemma_eval.run.pipeline import run
from gemma_eval.run.prepare import prepare
from gemma_eval.settings import BACKENDS, ImagesConfig, ModelConfig, PlanConfig, RunConfig, Sandbox, SuiteConfig, TaskImages
from gemma_eval.task.code import CodeGeneration
from gemma_eval.task.registry import registry
from gemma_eval.task.vision import VisionTask
from tests.settings import compose

NAMES = ["piqa", "mbpp", "docvqa"]  # choices, generated code, images
CHOICE = {"limit": st.integers(1, 99) | st.none(), "seed": st.integers(0, 99)}
IMAGES = {
    "limit": st.integers(1, 9),
    "pan_and_scan": st.booleans(),
    "max_crops": st.integers(2, 9),
    "min_ratio": st.sampled_from([1.5, 2.0]),
}


def some(values: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Values for some of these settings."""
    return st.fixed_dictionaries({}, optional=values)


CHOSEN = st.fixed_dictionaries(
    {
        "": some({**CHOICE, "sandbox": st.sampled_from(Sandbox)}),
        "images.": some(IMAGES),
        "tasks.docvqa.images.": some(IMAGES),
        **{f"tasks.{name}.": some(CHOICE) for name in NAMES},
    }
)


def text(value: Any) -> str:
    return "null" if value is None else str(value.value if isinstance(value, Enum) else value)


def overrides(chosen: dict[str, dict[str, Any]]) -> list[str]:
    """The settings as the command line has them."""
    return [f"{prefix}{name}={text(value)}" for prefix, values in chosen.items() for name, value in values.items()]


@settings(max_examples=12, deadline=None)
@given(CHOSEN)
def test_what_a_task_leaves_open_is_the_runs(chosen: dict[str, dict[str, Any]]) -> None:
    config = compose("model=4b", f"suite.tasks=[{','.join(NAMES)},piqa]", *overrides(chosen))
    assert isinstance(config.tasks, tuple) and [task.name for task in config.tasks] == NAMES  # each once
    for task in config.tasks:
        page, own = registry()[task.name](), chosen[f"tasks.{task.name}."]
        for name, default in (("limit", None), ("seed", 1234)):
            given_here = own.get(name, getattr(page, name))
            assert getattr(task, name) == (chosen[""].get(name, default) if given_here is None else given_here)
        if isinstance(task, CodeGeneration):
            assert task.sandbox is chosen[""].get("sandbox", Sandbox.bubblewrap)
        if isinstance(task, VisionTask) and isinstance(page, VisionTask):
            for field in fields(TaskImages):
                of_run = chosen["images."].get(field.name, getattr(ImagesConfig(), field.name))
                of_task = chosen["tasks.docvqa.images."].get(field.name, getattr(page.images, field.name))
                assert getattr(task.images, field.name) == (of_run if of_task is None else of_task)
    before = copy.deepcopy(config)
    validate(config)
    assert config == before


@given(CHOSEN)
def test_resolution_writes_nothing_into_what_it_is_given(chosen: dict[str, dict[str, Any]]) -> None:
    pages = {name: replace(registry()[name](), **chosen[f"tasks.{name}."]) for name in NAMES}
    images = ImagesConfig(**chosen["images."])
    given_settings = RunConfig(suite=SuiteConfig("all", NAMES), tasks=SimpleNamespace(**pages), images=images, **chosen[""])
    before = copy.deepcopy(given_settings)
    once = resolved(given_settings)
    assert given_settings == before
    assert once == resolved(given_settings)
    assert all(task is not pages[task.name] for task in once.tasks)


def frozen_parts(value: Any) -> list[Any]:
    """The settings and all settings inside them, tasks' own apart."""
    inner = [getattr(value, field.name) for field in fields(value) if field.name != "tasks"]
    return [value, *(part for one in inner if is_dataclass(one) for part in frozen_parts(one))]


@pytest.mark.parametrize("backend", BACKENDS)
def test_settings_refuse_assignment(backend: str) -> None:
    config = compose("model=4b", "suite=docvqa" if backend != "server" else "suite=piqa", f"backend={backend}")
    (task,) = config.tasks
    parts = frozen_parts(config)
    assert {type(part) for part in parts} >= {RunConfig, ModelConfig, SuiteConfig, ImagesConfig, PlanConfig, BACKENDS[backend]}
    parts += [task.dataset] + ([task.images] if isinstance(task, VisionTask) else [])
    for part in parts:
        for field in fields(part):
            with pytest.raises(FrozenInstanceError):
                setattr(part, field.name, None)


def config_for(model: Path, *more: str) -> RunConfig:
    return compose(
        "model=local", f"model.path={model}", "data=samples", "backend.dtype=float32", "suite.tasks=[piqa,boolq,gsm8k,docvqa]",
        "limit=2", "tasks.gsm8k.max_tokens=2", "tasks.docvqa.max_tokens=2", *more
    )  # fmt: skip


@pytest.fixture(scope="module")
def model(tiny_vision: Path) -> Model:
    return open_model(config_for(tiny_vision))


@settings(max_examples=8, deadline=None)
@given(choice=some({**CHOICE, "limit": st.integers(1, 4)}), shots=st.integers(0, 2), images=some(IMAGES))
def test_preparing_a_run_leaves_its_settings_as_they_were(
    tiny_vision: Path, model: Model, choice: dict[str, Any], shots: int, images: dict[str, Any]
) -> None:
    config = config_for(tiny_vision, f"tasks.piqa.num_fewshot={shots}", *overrides({"": choice, "images.": images}))
    before = copy.deepcopy(config)
    prepared = prepare(config, model)
    assert config == before
    assert [built.task for built in prepared.tasks] == list(before.tasks)


def test_a_run_leaves_its_settings_as_they_were(tiny_vision: Path, tmp_path: Path) -> None:
    config = config_for(tiny_vision, f"results={tmp_path}", "run=r")
    before = copy.deepcopy(config)
    outcome = run(config)
    assert config == before
    assert outcome.run.manifest.settings() == {task.name: task.settings() for task in before.tasks}
    assert run(config).run.manifest == outcome.run.manifest and config == before
