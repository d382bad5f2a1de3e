"""Which commits the pages pin."""

from __future__ import annotations

import re
from dataclasses import fields

from gemma_eval.data.dataset import DatasetRef, current_name
from gemma_eval.task.registry import registry

NOT_PINNED = {  # no commit is known for certain; the first run pins one in its data.lock
    "google/IndicGenBench_xorqa_in",
    "google/IndicGenBench_xquad_in",
    "hails/agieval-{config}",  # a repository for each part
    "lmms-lab-encoder/OK-VQA",
    "mehrankazemi/ReMI",
    "openlanguagedata/flores_plus",
    "vikhyatk/CountBenchQA",
}


def datasets() -> list[DatasetRef]:
    tasks = [cls() for cls in registry().values() if cls.__module__.startswith("gemma_eval.tasks")]
    values = [getattr(task, field.name) for task in tasks for field in fields(task)]
    return [value for value in values if isinstance(value, DatasetRef) and not value.generated]


def test_pages_pin_whole_commits() -> None:
    pins = {ref.repo: ref.pinned for ref in datasets() if not ref.origin}
    assert {repo for repo, pinned in pins.items() if not pinned} == NOT_PINNED
    assert all(re.fullmatch("[0-9a-f]{40}", pinned) for pinned in pins.values() if pinned)
    assert {ref.revision for ref in datasets()} == {None}  # a revision is for the user to ask for


def test_one_repository_is_read_at_one_commit() -> None:
    assert len({(ref.repo, ref.pinned) for ref in datasets()}) == len({ref.repo for ref in datasets()})


def test_pages_name_repositories_as_they_are_called_today() -> None:
    assert all(current_name(ref.repo) == ref.repo for ref in datasets())


def test_a_dataset_that_is_not_on_the_hub_says_where_it_is() -> None:
    assert {ref.repo: ref.origin for ref in datasets() if ref.origin} == {"princeton-vl/SpatialSense": "https://zenodo.org/records/8104370"}
