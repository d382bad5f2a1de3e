"""Suites: several make one run, and what that run is called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gemma_eval.config.selection import run_name
from gemma_eval.config.suites import LONGEST_NAME, suite_name, suite_tasks
from gemma_eval.errors import ConfigError
from gemma_eval.runtime import paths
from gemma_eval.task.registry import registry
from tests.settings import compose

CARD_270M = ["hellaswag", "boolq", "piqa", "trivia_qa", "arc_challenge", "arc_easy", "winogrande"]


@pytest.mark.parametrize(
    ("choice", "name", "tasks"),
    [
        ("piqa", "piqa", ["piqa"]),
        ("card_270m", "card_270m", CARD_270M),
        ("piqa,arc_easy,gsm8k", "piqa+arc_easy+gsm8k", ["piqa", "arc_easy", "gsm8k"]),
        ("[gsm8k,piqa]", "gsm8k+piqa", ["gsm8k", "piqa"]),
        ("card_270m,gsm8k,piqa", "card_270m+gsm8k+piqa", [*CARD_270M, "gsm8k"]),
        ("[piqa,boolq],piqa", "piqa+boolq", ["piqa", "boolq"]),
        ("card_pt,card_all", "card_pt+card_all", None),
    ],
)
def test_several_suites_make_one(choice: str, name: str, tasks: list[str] | None) -> None:
    suite = compose("model=4b", f"suite={choice}").suite
    assert suite.name == name
    assert suite.tasks == (tasks or compose("model=4b", "suite=card_all").suite.tasks)


def test_a_suite_in_an_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment may choose a list, and the command line may choose other suites than the experiment."""
    conf = copied_conf(tmp_path, monkeypatch)
    (conf / "experiment/two.yaml").write_text("# @package _global_\ndefaults:\n  - override /suite: [boolq, card_270m]\nlimit: 3\n")
    config = compose("experiment=two")
    assert (config.suite.name, config.suite.tasks[:2], len(config.suite.tasks), config.limit) == (
        "boolq+card_270m",
        ["boolq", "hellaswag"],
        7,
        3,
    )
    assert compose("experiment=two", "suite=piqa,drop").suite.tasks == ["piqa", "drop"]


def test_a_list_in_an_experiment_is_refused_for_other_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = copied_conf(tmp_path, monkeypatch)
    (conf / "experiment/two.yaml").write_text("# @package _global_\ndefaults:\n  - override /model: [4b, 1b]\n")
    with pytest.raises(ConfigError, match=r"^model: choose one, not a list"):
        compose("experiment=two")


def test_a_suite_page_without_parts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = copied_conf(tmp_path, monkeypatch)
    (conf / "suite/mine.yaml").write_text("name: mine\ntasks: [piqa]\n")
    with pytest.raises(ConfigError, match=r"suite: it has no task.*parts.NAME"):
        compose("suite=mine")
    (conf / "suite/mine.yaml").write_text("parts: {mine: [piqa]}\n")
    assert compose("suite=mine,boolq").suite.tasks == ["piqa", "boolq"]


def copied_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import shutil

    shutil.copytree(paths.CONF, tmp_path / "conf")
    monkeypatch.setattr(paths, "CONF", tmp_path / "conf")
    return tmp_path / "conf"


def test_plugins_add_suites(plugin_page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemma_eval.task.registry._registry", dict(registry()))
    assert compose(f"plugins=[{plugin_page}]", "suite=capitals,piqa").suite.tasks == ["capitals", "piqa"]


def test_tasks_that_are_named_replace_the_suites() -> None:
    suite = compose("suite=piqa,boolq", "suite.tasks=[drop]").suite
    assert (suite.name, suite.tasks) == ("piqa+boolq", ["drop"])


def test_the_run_is_named_after_its_suites() -> None:
    assert run_name(compose("suite=piqa,boolq")) == "270m-pt-bf16-transformers-piqa+boolq"


def test_long_names_are_shortened_to_one_that_differs() -> None:
    tasks = sorted(registry())[:30]
    name, other = suite_name({task: [task] for task in tasks}), suite_name({task: [task] for task in reversed(tasks)})
    assert re.fullmatch(rf"{re.escape('+'.join(tasks[:3]))}\+27-more-[0-9a-f]{{8}}", name) and name != other
    assert suite_name({"x" * LONGEST_NAME * 2: ["piqa"]}) == "x" * LONGEST_NAME * 2


def test_the_tasks_of_nested_parts() -> None:
    assert suite_tasks({"all": {"parts": {"a": ["x", "y"], "b": ["y", "z"]}}, "w": ["w", "x"]}) == ["x", "y", "z", "w"]
