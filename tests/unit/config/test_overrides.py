"""Arguments that cannot be meant are refused in one line that says what to write instead."""

from __future__ import annotations

import pytest

from gemma_eval.config.compose import register_schema
from gemma_eval.config.keys import choices
from gemma_eval.config.overrides import checked_overrides, plugin_files, swept
from gemma_eval.errors import ConfigError
from tests.settings import compose


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tasks.piqa.num_fewshots=1", r"tasks.piqa has no field 'num_fewshots'. Did you mean 'num_fewshot'"),
        ("tasks.pica.limit=1", r"tasks has no field 'pica'. Did you mean 'piqa'"),
        ("lmit=1", r"Did you mean 'limit'"),
        ("backend.tensor_parallel=2", r"backend has no field 'tensor_parallel'"),
        ("+data.foo=2", r"data has no field 'foo'"),
        ("model.checkpoint=x", r"model has no field"),
        ("suite=[piqa", r"suite=\[piqa: cannot be read as key=value"),
        ("piqa", r"^piqa: write suite=piqa$"),
        ("limit", r"^limit: cannot be read as key=value$"),
        ("=3", r"^unknown key ''"),
        ("limit = 3", r"^unknown key 'limit '.* Did you mean 'limit'"),
        ("model/path=3", r"^unknown key 'model/path'"),
        ("gate=strict", r"^unknown key 'gate'"),
        ("~limit", r"^~limit: a setting cannot be removed; leave it out, or write limit=null$"),
    ],
)
def test_unknown_keys_are_refused_with_choices(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checked_overrides([override], register_schema())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("suite=pika", r"^suite=pika: no such choice. Did you mean 'piqa'\? gemma-eval run --help lists the choices$"),
        ("suite=boolq,pika", r"^suite=pika: no such choice. Did you mean 'piqa'"),
        ("suite=[pika,boolq]", r"^suite=pika: no such choice. Did you mean 'piqa'"),
        ("experiment=reference_270", r"^experiment=reference_270: no such choice. Did you mean 'reference_270m'\? Choices: demo,"),
        ("model=9b", r"^model=9b: no such choice\..* Choices: 12b, 1b, 270m, 27b, 4b, local$"),
        ("weights=fp88", r"^weights=fp88: no such choice. Did you mean 'fp8'"),
        ("backend=vlm", r"^backend=vlm: no such choice. Did you mean 'vllm'\? Choices: server, transformers, vllm$"),
        ("hydra/launcher=basik", r"^hydra/launcher=basik: no such choice. Did you mean 'basic'"),
        ("+experiment=reference_270", r"^experiment=reference_270: no such choice. Did you mean 'reference_270m'"),
        ("++experiment=reference_270", r"^experiment=reference_270: no such choice. Did you mean 'reference_270m'"),
        ("experiment=null", r"^experiment=null: name a choice$"),
        ("experiment=", r"^experiment=: no such choice\. Choices: demo,"),
        ("backend@x=server", r"^backend@x: a choice cannot be moved to another place; write backend=NAME$"),
        ("suite@parts.x=piqa", r"^suite@parts.x: a choice cannot be moved to another place; write suite=NAME$"),
        ("model={a: 1}", r"^model=.*: no such choice\."),
        ("model=a#b", r"^model=a#b: no such choice\. Choices: 12b,"),
        ("model=Ж", r"^model=Ж: no such choice\."),
        ("weights=[fp8", r"^weights=\[fp8: cannot be read as key=value; close brackets"),
        ("suite.tasks=[pica]", r"^suite.tasks: no task 'pica'. Did you mean 'piqa'"),
        ("suite=null", r"^suite=null: name a choice$"),
        ("suite=[]", r"^suite: it has no task"),
        ("~suite", r"^suite: it has no task"),
        ("~model", r"^model: choose one, not a list and not none"),
        ("limit=many", r"^Error merging override limit=many: Value 'many' of type 'str' could not be converted to Integer$"),
    ],
)
def test_choices_that_do_not_exist(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        compose(override)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("group", ["model", "variant", "weights", "backend", "data", "experiment"])
def test_only_suites_may_be_several(group: str) -> None:
    two = ",".join(choices(group)[:2])
    for value in (two, f"[{two}]"):
        with pytest.raises(ConfigError, match=rf"choose one {group}\. A sweep makes a run of each: -m {group}={two}$"):
            compose(f"{group}={value}")


def test_several_values_need_a_sweep() -> None:
    with pytest.raises(ConfigError, match=r"limit=1,2: several values need -m"):
        compose("limit=1,2")


def test_a_sweep_keeps_its_commas() -> None:
    given = ["suite=[piqa,boolq],drop", "model=4b,1b", "limit=1,2"]
    assert checked_overrides(given, register_schema(), sweep=True) == given
    with pytest.raises(ConfigError, match=r"model=\[4b,1b\],270m: choose one model.*-m model=4b,1b,270m"):
        checked_overrides(["model=[4b,1b],270m"], register_schema(), sweep=True)


@pytest.mark.parametrize("sign", ["+", "++"])
def test_signs_of_hydra_change_nothing(sign: str) -> None:
    given = [f"{sign}model=4b", f"{sign}limit=3"]
    assert checked_overrides(given, register_schema()) == ["model=4b", "limit=3"]


def test_a_sweep_takes_paths_as_they_are() -> None:
    given = ["model.path=a=1/final,b#2,'c,d'", "plugins=[a b.py],[c=d.py]", "model.revision=choice(a,b)", "seed=1,2", "run=one"]
    checked = checked_overrides(given, register_schema(), sweep=True)
    assert checked[0] == "model.path='a=1/final','b#2','c,d'"
    assert swept(checked) == ["model.path", "plugins", "model.revision", "seed"]
    assert checked_overrides(["model.path=a,b"], register_schema()) == ["model.path='a,b'"]


def test_known_keys_pass() -> None:
    given = ["model=4b", "tasks.piqa.dataset.repo=x", "backend.dtype=float32", "limit=3", "hydra.verbose=true", "experiment=reference_270m"]
    assert checked_overrides(given, register_schema()) == given


def test_keys_of_the_backend_that_is_chosen() -> None:
    schema = register_schema()
    checked_overrides(["backend=vllm", "backend.tensor_parallel_size=2"], schema)
    checked_overrides(["experiment=demo", "backend.tensor_parallel_size=2"], schema)  # which backend it chooses, Hydra will see
    assert checked_overrides(["backend=vllm", "backend.engine_args.x=1"], schema)[1] == "++backend.engine_args.x=1"


def test_plugins_are_a_list() -> None:
    assert plugin_files(["limit=1", "plugins=[a.py,b/c.py]"]) == ["a.py", "b/c.py"]
    with pytest.raises(ConfigError, match=r"plugins=a.py: must be a list: write 'plugins=\[a.py\]'$"):
        plugin_files(["plugins=a.py"])
    with pytest.raises(ConfigError, match=r"plugins=\[my task.py: the list is not closed: write"):
        plugin_files(["plugins=[my task.py"])
    assert plugin_files(["plugins=[my task.py,a=b.py,Ж.py]"]) == ["my task.py", "a=b.py", "Ж.py"]
