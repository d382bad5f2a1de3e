"""Whole argument lists: settings are what was typed, or are refused in one line. Nothing else ever happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from gemma_eval.config import compose as composing
from gemma_eval.config.keys import GROUPS, choices
from gemma_eval.config.quoting import as_text
from gemma_eval.config.selection import at_home
from gemma_eval.errors import ConfigError
from gemma_eval.settings import BACKENDS, RunConfig
from gemma_eval.task.base import Task
from tests.settings import few_tasks

QUICK = [Phase.explicit, Phase.reuse, Phase.generate]  # composing takes long, so a failure is shown as found and not shrunk
VALUES = [
    "", " ", "null", "true", "2", "0", "-1", "1.5", "1e3", "nan", "inf", "-0.0", "9" * 30, "٣", "abc", "a b", "a=b", "a#b", "~/x", "../x",
    "a/b", "..", "{a}", "[a", "a]", "[]", "[1,2]", "[a,b]", "['']", "{a: 1}", "'a'", "'a", '"', "\\", "${limit}", "${nosuch}", "${", "$x",
    "${oc.env:NO_SUCH_VARIABLE}", "a,b", "Ж", "😀", "\x00", "a\nb", "100%", "choice(1,2)", "range(1,3)", "piqa", "float32", "@", "+1",
]  # fmt: skip


def keys(node: DictConfig, place: str = "") -> Iterator[str]:
    """Every key of the schema, those of groups of settings too."""
    for name in map(str, node):
        key = f"{place}{name}"
        yield key
        inner = node._get_node(name)
        if isinstance(inner, DictConfig) and not (inner._is_none() or inner._is_missing()):
            yield from keys(inner, f"{key}.")


@pytest.fixture(scope="module")
def schema() -> Iterator[DictConfig]:
    with few_tasks() as node:
        yield node


@pytest.fixture(scope="module")
def known(schema: DictConfig) -> list[str]:
    """Every key there is."""
    backends = [f"backend.{key}" for cls in BACKENDS.values() for key in keys(OmegaConf.structured(cls))]
    return sorted({*keys(schema), *backends, "backend.engine_args.new", "model.checkpoints.new", "nosuch", "tasks.nosuch.limit", ""})


def value_at(config: RunConfig, key: str) -> Any:
    """The value that a setting has, in the settings or in those of a task."""
    found: Any = {task.name: task for task in config.tasks} if key.startswith("tasks.") else config
    for part in key.removeprefix("tasks.").split("."):
        found = found[part] if isinstance(found, dict) else getattr(found, part)
    return found


def meant(value: Any, text: str) -> bool:
    """Whether `value` is what was typed. Lists and mappings are Hydra's to read."""
    if "${" in text or isinstance(value, list | dict | tuple) or is_dataclass(value):
        return True
    if value is None:
        return text.casefold() == "null"
    if isinstance(value, bool):
        return value == (text.casefold() in {"true", "yes", "on", "1"})
    if isinstance(value, Enum):
        return text == value.name
    if isinstance(value, str):
        return value in (text, at_home(text)) or as_text(text) == text
    return float(text) == float(value)


def refused_in_one_line(arguments: list[str]) -> RunConfig | str:
    """The settings, or the line that refuses them."""
    try:
        return composing.compose(["suite=[piqa,gsm8k,mbpp]", *arguments])
    except ConfigError as error:
        return str(error)


TEXTS = st.sampled_from(VALUES) | st.text(max_size=8) | st.text("'\"\\,[]{}()$#=~ a1", max_size=8) | st.integers().map(str)


@settings(max_examples=40, deadline=None, phases=QUICK, suppress_health_check=list(HealthCheck))
@given(data=st.data(), text=TEXTS)
def test_a_setting_is_what_was_typed_or_is_refused_by_key(known: list[str], data: st.DataObject, text: str) -> None:
    key = data.draw(st.sampled_from(known))
    found = refused_in_one_line([f"{key}={text}"])
    if isinstance(found, str):
        assert key.partition(".")[0] in found and len(found.splitlines()) == 1
    elif key not in GROUPS and not key.startswith(("tasks.docvqa", "tasks.ruler")) and key != "tasks":
        assert meant(value_at(found, key), text), (key, text)


SIGNS = st.sampled_from(["", "", "", "+", "++", "~"])
SHAPES = st.sampled_from(["{key}={text}", "{key}={text}", "{key}={text}", "{key}", "{key}@x={text}", "{key} = {text}", "{text}={key}"])


@settings(max_examples=25, deadline=None, phases=QUICK, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_arguments_compose_or_are_refused_in_one_line(known: list[str], data: st.DataObject) -> None:
    groups = st.sampled_from(GROUPS).flatmap(lambda group: st.tuples(st.just(group), st.sampled_from(choices(group)) | TEXTS))
    pair = groups | st.tuples(st.sampled_from(known), TEXTS)
    argument = st.builds(lambda sign, shape, pair: sign + shape.format(key=pair[0], text=pair[1]), SIGNS, SHAPES, pair)
    found = refused_in_one_line(data.draw(st.lists(argument, max_size=4)))
    if isinstance(found, str):
        assert found and len(found.splitlines()) == 1
    else:
        assert all(isinstance(task, Task) for task in found.tasks) and Path(found.results)
