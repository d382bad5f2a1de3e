from __future__ import annotations

import pytest

from gemma_eval.card import CARD_TABLES
from gemma_eval.checkpoint import quantization
from gemma_eval.config.selection import run_name
from gemma_eval.errors import ConfigError
from gemma_eval.runtime import paths
from gemma_eval.task.base import Task
from gemma_eval.task.registry import registry
from tests.settings import compose

MODELS = [file.stem for file in (paths.CONF / "model").glob("*.yaml") if file.stem != "local"]
SUITES = [file.stem for file in (paths.CONF / "suite").glob("*.yaml")]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("variant", ["pt", "it"])
def test_every_model_composes_with_its_own_weights(model: str, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda package: True)
    config = compose(f"model={model}", f"variant={variant}")
    for weights, variants in config.model.checkpoints.items():
        if variant in variants:
            compose(f"model={model}", f"variant={variant}", f"weights={weights}")
            assert (paths.CONF / "weights" / f"{weights}.yaml").is_file()


@pytest.mark.parametrize("variant", ["pt", "it"])
def test_the_suite_follows_the_variant(variant: str) -> None:
    suite = compose("model=4b", f"variant={variant}").suite
    assert suite.name == f"card_{variant}"
    assert {registry()[name].chat for name in suite.tasks} == {variant == "it"}
    assert compose("model=4b", f"variant={variant}", "suite=piqa").suite.tasks == ["piqa"]


@pytest.mark.parametrize("suite", [*SUITES, *registry()])
def test_every_suite_names_known_tasks(suite: str) -> None:
    assert compose("model=27b", f"suite={suite}").tasks


def test_the_whole_card_is_one_suite() -> None:
    tasks = compose("model=4b", "suite=card_all").suite.tasks
    tables = [table for table in CARD_TABLES if table.variant == "pt" and not table.detail and table.sizes != ["270m"]]
    assert sum(len(table.rows) for table in tables) == 41 and set(tasks) == {task for table in tables for task in table.tasks}
    assert tasks == [task for suite in ("card_pt", "card_vision") for task in compose("model=4b", f"suite={suite}").suite.tasks]


def test_model_facts() -> None:
    facts = {size: compose(f"model={size}").model for size in MODELS}
    assert {size: (model.context_length, model.sliding_window, model.vision) for size, model in facts.items()} == {
        "270m": (32768, 512, False),
        "1b": (32768, 512, False),
        "4b": (131072, 1024, True),
        "12b": (131072, 1024, True),
        "27b": (131072, 1024, True),
    }


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=1b", "weights=qat_q4_0"], r"weights=qat_q4_0.*model=1b variant=pt.*Choices: bf16, qat_q4_0_gguf"),
        (["model=4b", "weights=gguf_q4_k_m"], r"Choices: bf16"),
        (["model=local"], r"model.path=DIR"),
        (["suite.tasks=[piqua]"], r"no task 'piqua'. Did you mean 'piqa'"),
        (["limit=0"], r"limit=0: must be at least 1"),
        (["suite=piqa", "tasks.piqa.limit=-1"], r"tasks.piqa.limit=-1"),
        (["suite=piqa", "tasks.piqa.num_fewshot=-1"], r"tasks.piqa.num_fewshot=-1"),
        (["backend.pass_tokens=0"], r"backend.pass_tokens=0: must be at least 1"),
        (["images.limit=0"], r"images.limit=0: must be at least 1"),
        (["images.pan_and_scan=true", "images.max_crops=1"], r"images.max_crops=1: must be at least 2"),
        (["model=4b", "suite=docvqa", "tasks.docvqa.images.limit=0"], r"tasks.docvqa.images.limit=0: must be at least 1"),
    ],
)
def test_impossible_settings_are_refused_by_name(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose(*overrides)


def test_image_tasks_are_refused_for_text_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry()["piqa"], "vision", True)
    with pytest.raises(ConfigError, match=r"model=1b cannot see images, which piqa need.*4b, 12b or 27b"):
        compose("model=1b", "suite=piqa")
    compose("model=4b", "suite=piqa")


def test_limit_and_seed_reach_the_tasks() -> None:
    config = compose("suite=card_270m", "limit=5", "seed=9", "tasks.piqa.limit=7")
    limits = {task.name: (task.limit, task.seed) for task in config.tasks}
    assert limits["piqa"] == (7, 9) and limits["boolq"] == (5, 9)


def test_a_task_keeps_its_types() -> None:
    for task in compose("suite=card_pt").tasks:
        assert isinstance(task, Task)
        assert task.changed() == {}


def test_changed_names_what_makes_another_protocol() -> None:
    config = compose("suite=piqa", "tasks.piqa.num_fewshot=5", "limit=3", "seed=2", "tasks.piqa.dataset.revision=abc")
    assert config.tasks[0].changed() == {"num_fewshot": 5}


def test_image_settings_of_one_task() -> None:
    config = compose("model=4b", "suite=card_vision", "images.limit=9", "images.max_crops=2", "tasks.docvqa.images.pan_and_scan=true")
    changed = {task.name: task.changed() for task in config.tasks}
    assert changed.pop("docvqa") == {"images.limit": 9, "images.pan_and_scan": True, "images.max_crops": 2}
    assert set(map(str, changed.values())) == {"{'images.limit': 9}"}, "thresholds change nothing where Pan & Scan is off"
    own = compose("model=4b", "suite=remi", "images.limit=9", "tasks.remi.images.limit=40", "images.pan_and_scan=true")
    assert own.tasks[0].changed() == {"images.limit": 40, "images.pan_and_scan": True}
    off = compose("model=4b", "suite=remi", "images.pan_and_scan=true", "tasks.remi.images.pan_and_scan=false")
    assert off.tasks[0].changed() == {}


def test_run_names() -> None:
    assert run_name(compose("model=4b", "variant=it", "suite=piqa")) == "4b-it-bf16-transformers-piqa"
    assert run_name(compose("model=270m", "data=samples", "suite=piqa")) == "270m-pt-bf16-transformers-piqa-samples"
    assert run_name(compose("experiment=reference_270m")) == "270m-pt-gguf_q4_k_m-reference"
