"""Each run of a sweep has a directory of its own."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.config.quoting import as_text
from gemma_eval.config.selection import run_name
from gemma_eval.config.sweeps import SweepNames
from gemma_eval.errors import ConfigError
from gemma_eval.ranges import FOLDER_NAME
from gemma_eval.settings import RunConfig
from tests.settings import compose

PLAIN = "270m-pt-bf16-transformers-piqa"


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return compose("suite=piqa")


@pytest.mark.parametrize(
    ("keys", "job", "name"),
    [
        (["seed"], ["seed=2"], f"{PLAIN}-seed_2"),
        (["backend.dtype"], ["backend.dtype=float32"], f"{PLAIN}-dtype_float32"),
        (["seed", "limit"], ["seed=2", "limit=null"], f"{PLAIN}-limit_null-seed_2"),
        (["model.path"], ["model.path='expA/final'"], f"{PLAIN}-path_expA_final"),
        (["tasks.piqa.stop"], ["tasks.piqa.stop=[a,'b c']"], f"{PLAIN}-stop_a+b_c"),
        (["suite"], ["suite=piqa"], PLAIN),
        (["model", "variant", "weights", "backend", "data"], ["model=1b"], PLAIN),
        (["results"], ["results=' '"], f"{PLAIN}-results_empty"),
    ],
)
def test_the_name_carries_what_differs(config: RunConfig, keys: list[str], job: list[str], name: str) -> None:
    assert SweepNames(keys, job).named(config, job).run == name


def test_a_name_that_was_given_carries_everything(config: RunConfig) -> None:
    fixed = replace(config, run="mine")
    job = ["run=mine", "model=1b", "seed=2"]
    assert SweepNames(["model", "seed"], job).named(fixed, job).run == "mine-model_1b-seed_2"
    assert SweepNames(["run"], ["run=mine,yours"]).named(fixed, ["run=mine"]).run == "mine"


def test_experiments_name_their_runs(config: RunConfig) -> None:
    names = SweepNames(["experiment"], ["experiment=demo,demo_images"])
    assert names.named(replace(config, run="demo"), ["experiment=demo"]).run == "demo"
    assert SweepNames(["experiment"], ["experiment=a,b"]).named(config, ["experiment=a"]).run == f"{PLAIN}-experiment_a"


def test_two_runs_of_one_name_are_refused(config: RunConfig) -> None:
    names = SweepNames(["model.path"], [])
    assert names.named(config, ["model.path=a/b"]) == names.named(config, ["model.path=a/b"])
    with pytest.raises(ConfigError, match=rf"^run={PLAIN}-path_a_b: another run of this sweep has this name"):
        names.named(replace(config, seed=2), ["model.path=a_b"])


VALUES = st.lists(st.text(max_size=80) | st.integers().map(str), min_size=1, max_size=3, unique=True)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from(["seed", "model.path", "backend.dtype", "model", "run"]), VALUES, min_size=1))
def test_no_two_runs_share_a_name(config: RunConfig, swept: dict[str, list[str]]) -> None:
    names = SweepNames(list(swept), [])
    taken = []
    for number, values in enumerate(product(*swept.values())):
        job = [f"{key}={as_text(value)}" for key, value in zip(swept, values, strict=True)]
        this = replace(config, seed=number, run="fixed" if "model" in swept else None)
        try:
            taken.append(run_name(names.named(this, job)))
        except ConfigError as error:
            assert str(error).startswith("run=") and "\n" not in str(error)
    assert len(set(taken)) == len(taken) and all(FOLDER_NAME.holds(name) for name in taken)
