"""Exemplars that cannot be had are refused by key, and every prompt has as many as its task says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.data.sources import open_source
from gemma_eval.errors import ConfigError, DataError
from gemma_eval.task.base import Task
from gemma_eval.task.fewshot import Fewshot
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.task.shots import check_shots

SAMPLES = open_source(root=None, samples=True)
READY = sorted(name for name, cls in registry().items() if not cls().dataset.generated and not cls.vision)


def task(name: str, **changes: Any) -> Task:
    page = registry()[name]()
    dataset = {key.removeprefix("dataset_"): changes.pop(key) for key in list(changes) if key.startswith("dataset_")}
    return replace(page, dataset=replace(page.dataset, **dataset), **changes)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("gsm8k", {"num_fewshot": 20}, r"^tasks.gsm8k.num_fewshot=20: 8 exemplars are published; set it lower, or draw them"),
        ("gsm8k_it", {"num_fewshot": 9}, r"^tasks.gsm8k_it.num_fewshot=9: 8 exemplars are published"),
        ("bbh", {"num_fewshot": 4}, r"^tasks.bbh.num_fewshot=4: 3 exemplars are published"),
        ("math", {"num_fewshot": 5}, r"^tasks.math.num_fewshot=5: 4 exemplars are published"),
        ("eclektic", {"num_fewshot": 3}, r"^tasks.eclektic.num_fewshot=3: 2 exemplars are published"),
        ("ruler", {"num_fewshot": 1}, r"^tasks.ruler.num_fewshot=1: the task makes its items and has no exemplars"),
        ("ifeval", {"num_fewshot": 2}, r"^tasks.ifeval.num_fewshot=2: .*set tasks.ifeval.dataset.fewshot_split$"),
        ("piqa", {"num_fewshot": 1, "fewshot": Fewshot.published}, r"^tasks.piqa.fewshot=published: .* choose seeded, first, per_item$"),
        ("piqa", {"fewshot": Fewshot.first}, r"^tasks.piqa.fewshot=first: has no effect with tasks.piqa.num_fewshot=0"),
        ("gsm8k_it", {"fewshot": Fewshot.seeded}, r"^tasks.gsm8k_it.fewshot=seeded: has no effect"),
        ("piqa", {"dataset_fewshot_split": "test"}, r"^tasks.piqa.dataset.fewshot_split=test: has no effect with tasks.piqa.num_fewshot=0"),
        ("gsm8k", {"dataset_fewshot_split": "test"}, r"^tasks.gsm8k.dataset.fewshot_split=test: has no effect with .*fewshot=published"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_key(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_shots(task(name, **changes))


@pytest.mark.parametrize("name", registry())
def test_every_page_can_be_had_as_it_is(name: str) -> None:
    check_shots(registry()[name]())


def test_more_than_are_published_can_be_drawn() -> None:
    check_shots(task("gsm8k", num_fewshot=20, fewshot=Fewshot.seeded))


def test_a_page_without_bundled_items_is_refused_as_its_prompt_is_made() -> None:
    page = task("gsm8k", num_fewshot=9)
    with pytest.raises(ConfigError, match=r"^tasks.gsm8k.num_fewshot=9: 8 exemplars are published"):
        page.prompt({"question": "1 + 1?", "answer": "#### 2"}, [])


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(READY), st.integers(0, 30), st.sampled_from([*Fewshot, None]))
def test_the_prompts_have_what_the_settings_say(name: str, shots: int, policy: Fewshot | None) -> None:
    """Refused by the settings, refused by the data, or sent as told."""
    asked = task(name, num_fewshot=shots, **({"fewshot": policy} if policy else {}))
    try:
        check_shots(asked)
        samples = build(replace(asked, limit=3, seed=1), SAMPLES).samples
    except (ConfigError, DataError) as error:
        assert f"{asked.bundled or name}" in str(error) and "\n" not in str(error)
        return
    for sample in samples:
        assert len(sample.request.prompt.shots) == asked.shots_of(sample.subset)
