"""Ranges: every number and text among the settings has one, and a value outside it is refused by key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Annotated, Any, get_args, get_origin

import pytest
from omegaconf import OmegaConf

from gemma_eval.errors import ConfigError
from gemma_eval.ranges import Count, FolderName, Natural, Share, Stop, Temperature, Text, between, check, leaves, typed_fields
from gemma_eval.settings import (
    BACKENDS,
    CheckpointRef,
    DataConfig,
    ImagesConfig,
    ModelConfig,
    PlanConfig,
    RunConfig,
    SuiteConfig,
    TaskImages,
    WeightsConfig,
)
from gemma_eval.task.registry import registry

FILLED = [
    RunConfig(backend=BACKENDS["transformers"](), tasks=(), model=ModelConfig("4b", 8192, 0, True, {}), weights=WeightsConfig("bf16")),
    ModelConfig("4b", 8192, 0, True, {}),
    WeightsConfig("bf16"),
    CheckpointRef(),
    DataConfig(),
    ImagesConfig(),
    TaskImages(),
    SuiteConfig("piqa", ["piqa"]),
    PlanConfig(),
    *(backend() for backend in BACKENDS.values()),
    *(task() for task in registry().values()),
]
"""Settings of every class, as good as they come."""


def name(settings: Any) -> str:
    return type(settings).__name__


@pytest.mark.parametrize("settings", FILLED, ids=name)
def test_every_number_and_text_states_its_range(settings: Any) -> None:
    assert [key for key, _, stated in leaves(type(settings)) if not stated] == []
    for value in (getattr(settings, each.name) for each in fields(settings)):
        assert not is_dataclass(value) or type(value) in {type(other) for other in FILLED} | {type(registry()["piqa"]().dataset)}


@pytest.mark.parametrize("settings", FILLED, ids=name)
def test_defaults_are_in_their_ranges(settings: Any) -> None:
    check(settings)


def meaningless(hint: Any) -> Iterator[Any]:
    """Values that mean nothing, of a type that has a number or a text; lists of them for a list."""
    if get_origin(hint) is Annotated:
        yield from meaningless(get_args(hint)[0])
    elif get_origin(hint) is list:
        yield from ([value] for value in meaningless(get_args(hint)[0]))
    elif get_args(hint) and get_origin(hint) is not dict:
        yield from (value for part in get_args(hint) for value in meaningless(part))
    elif hint is int:
        yield from (-1, -(10**30), 10**30)
    elif hint is float:
        yield from (-1.0, float("nan"), float("inf"), float("-inf"), -1e308, 1e308, -0.0)
    elif hint is str:
        yield from ("\x00", "a\x00b", "\ud800")


@pytest.mark.parametrize("settings", FILLED, ids=name)
def test_what_means_nothing_is_refused_by_key(settings: Any) -> None:
    for key, hint in typed_fields(type(settings)).items():
        for value in meaningless(hint):
            with pytest.raises(ConfigError) as refused:
                check(replace(settings, **{key: value}), "here.")
            assert str(refused.value).startswith(f"here.{key}") and ": must be " in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (Count, [1, 2**31 - 1], [0, 2**31]),
        (Natural, [0, 7], [-1]),
        (Share, [0.001, 0.999], [0.0, 1.0]),
        (Temperature, [0.0, 0.01, 1.0, 10.0], [1e-9, 10.1, -0.0]),
        (Text, ["a b", "Ж", "a=#{}"], ["", " ", "\n", "a\nb", "\u2028"]),
        (FolderName, ["a=b", "4b-pt", ".x", "Ж" * 127], ["", ".", "..", "a/b", "a\\b", " a", "Ж" * 128, "a\x00"]),
        (Stop, ["\n", " ", "[DONE]", "\\boxed"], ["", r"\n", r"a\tb"]),
    ],
)
def test_bounds(hint: Any, good: list[Any], bad: list[Any]) -> None:
    cls: Any = dataclass(type("Settings", (), {"__annotations__": {"key": hint}}))
    for value in good:
        check(cls(value))
    for value in bad:
        with pytest.raises(ConfigError, match="key"):
            check(cls(value))


@dataclass
class Base:
    max_tokens: Count = 32
    stop: list[Stop] = field(default_factory=list)
    seed: Natural | None = None


@dataclass
class Page(Base):
    max_tokens: int = 512
    stop: list[str] = field(default_factory=lambda: ["Q:"])
    seed: int = 3
    threshold: Annotated[float, between(0, 1)] = 0.5


@dataclass
class Narrower(Page):
    max_tokens: Annotated[int, between(1, 8)] = 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Page(max_tokens=0), r"^max_tokens=0: must be at least 1"),
        (Page(stop=["Q:", ""]), r"^stop\[1\]='': must be "),
        (Page(seed=-1), r"^seed=-1: must be at least 0"),
        (Page(threshold=1.5), r"^threshold=1.5: must be from 0 to 1$"),
        (Narrower(max_tokens=9), r"^max_tokens=9: must be from 1 to 8$"),
    ],
)
def test_a_page_keeps_the_ranges_of_its_base(settings: Base, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(settings)


def test_a_page_of_a_third_party_has_ranges_too() -> None:
    assert OmegaConf.to_object(OmegaConf.structured(Page)) == Page()  # a range is no part of what OmegaConf reads


def test_a_key_given_by_mistake_is_not_shown() -> None:
    with pytest.raises(ConfigError) as refused:
        check(BACKENDS["server"](key_variable="sk-secret"), "backend.")  # type: ignore[call-arg]
    assert str(refused.value).startswith("backend.key_variable: must be the name of") and "secret" not in str(refused.value)
