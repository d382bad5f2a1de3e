"""Values: each is what was typed, or is refused by key. A few tasks are enough to tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gemma_eval.config.overrides import last_of_each
from gemma_eval.config.selection import at_home, run_name
from gemma_eval.errors import ConfigError
from tests.settings import compose, few_tasks


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    with few_tasks():
        yield


def test_the_last_of_two_counts_and_the_other_is_named(caplog: pytest.LogCaptureFixture) -> None:
    assert last_of_each(["limit=3", "seed=1", "+limit=5", "seed=1"]) == ["+limit=5", "seed=1"]
    assert caplog.messages == ["'limit=3': left out, because '+limit=5' follows"]
    config = compose("suite=piqa", "model=1b", "limit=3", "model=4b", "limit=5")
    assert (config.model.size, config.limit) == ("4b", 5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("limit=${nosuch}", r"^limit: Interpolation key 'nosuch' not found\."),
        ("run=${oc.env:NO_SUCH_VARIABLE}", r"^run: .*Environment variable 'NO_SUCH_VARIABLE' not found.*written with \\\$\{$"),
        ("model.path=a${b", r"model.path=.*written with \\\$\{$"),
        ("data.samples=2", r"^data.samples=2: must be true or false$"),
        ("seed=1.5", r"seed=1.5: Value '1.5' of type 'float' could not be converted to Integer$"),
        ("seed=true", r"seed=true: Value 'True' of type 'bool' could not be converted to Integer$"),
        ("limit=a\nb", r"^Error merging override limit='a"),
        ("run=a\nb", r"^run='a\\nb': must be the name of one folder"),
        ("images=3", r"images=3: "),
        ("tasks.piqa=null", r"tasks.piqa=null: "),
    ],
)
def test_values_that_cannot_be_meant(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        compose("suite=piqa", override)
    assert "\n" not in str(refused.value)


def test_what_stands_for_itself_can_be_written() -> None:
    assert compose("suite=piqa", r"run=\${a}").run == "${a}"
    assert compose("suite=piqa", "seed=7", "run=s${seed}").run == "s7"


@pytest.mark.parametrize(
    "path", ["ckpts/epoch=3-step=100", "a#b", "~/a b{c}[d](e),f", "C:\\models\\", "$x'\"%:", "Жук/😀", "007", "1e3", "true"]
)
def test_paths_and_names_are_taken_as_they_are(path: str) -> None:
    config = compose("suite=piqa", "model=local", f"model.path={path}", f"data.root={path}", f"model.revision={path}")
    assert (config.model.path, config.data.root, config.model.revision) == (path, at_home(path), path)


@pytest.mark.parametrize(
    ("path", "name"), [("ckpts/last/", "last"), ("a=b/c d", "c d"), ("ckpts/step-1/..", "ckpts"), ("Ж", "Ж"), (".", Path.cwd().name)]
)
def test_a_local_checkpoint_names_its_run(path: str, name: str) -> None:
    assert run_name(compose("model=local", f"model.path={path}", "suite=piqa")) == f"{name}-pt-local-transformers-piqa"


def test_the_users_home_is_that_of_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    config = compose("suite=piqa", "results=~/runs", "data.root=~nobody_here/data", "data.lock=~/lock")
    assert (config.results, config.data.root, config.data.lock) == ("/home/me/runs", "~nobody_here/data", "/home/me/lock")


@pytest.mark.parametrize("name", ["a/b", "..", ".", "", "a\\b", "x" * 256, "a\x00", " "])
def test_a_name_that_is_no_folders_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^run=.*must be the name of one folder"):
        compose("suite=piqa", f"run={name}")


def test_a_name_that_cannot_be_made_is_refused() -> None:
    config = compose("model=local", f"model.path={'x' * 250}", "suite=piqa")
    with pytest.raises(ConfigError, match=r"^run: .*choose another with run=NAME$"):
        run_name(config)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=samples", "data.root=x"], r"^data.root=x: has no effect with data=samples"),
        (["data=samples", "suite=ruler", "tasks.ruler.items=2"], r"^tasks.ruler.items: has no effect with data=samples"),
        (["data=samples", "suite=piqa", "tasks.piqa.dataset.revision=a"], r"^tasks.piqa.dataset.revision: has no effect with data=samples"),
        (["suite=gsm8k", "tasks.gsm8k.num_fewshot=20"], r"^tasks.gsm8k.num_fewshot=20: 8 exemplars are published"),
        (["suite=piqa", "tasks.gsm8k.max_tokens=-1"], r"^tasks.gsm8k.max_tokens=-1: must be at least 1"),
        (["tasks.gsm8k.temperature=nan"], r"^tasks.gsm8k.temperature=nan: must be a finite number$"),
        (["plan.power=1"], r"^plan.power=1.0: must be between 0 and 1$"),
        (["backend=vllm", "backend.gpu_memory_utilization=1.5"], r"^backend.gpu_memory_utilization=1.5: must be above 0 and at most 1$"),
        (["backend=server", "backend.retries=-1"], r"^backend.retries=-1: must be from 0 to 100$"),
        (["backend.device=gpu"], r"^backend.device=gpu: must be auto, cpu, cuda, cuda:1, ...$"),
    ],
)
def test_what_means_nothing_is_refused_by_key(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose("suite=piqa", *overrides)
