"""Of every task: gold answers score 1, distractors score 0, exemplars are never the item, and limits are nested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gemma_eval.data.rows import Row
from gemma_eval.data.sources import Source, open_source
from gemma_eval.errors import DataError, SandboxError
from gemma_eval.scoring.scorer import checked
from gemma_eval.task.base import Generation, MultipleChoice, Task
from gemma_eval.task.fewshot import Fewshot
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import TaskSamples
from gemma_eval.task.samples import build as build_for
from gemma_eval.types import GenerateResponse, Image, Sample, Score, ScoreResponse, as_parts
from tests.token_counters import EvenReader

TASKS = sorted(registry())
PARTIAL = {"f1", "chrf", "anls"}  # metrics that give part of the answer part of the score
FOUND_ANYWHERE = {"recall", "string_match"}  # metrics that do not lower the score of a longer answer
PARSED_ANYWHERE = {"mmmu"}  # tasks whose parser finds the answer in a longer text
HERE = {"chartqa": "test"}  # the split of the real data at hand, if it is not the page's


def task_of(name: str, **settings: Any) -> Task:
    task = registry()[name]()
    task.seed = 7
    for field, value in settings.items():
        setattr(task, field, value)
    return task


def sources(data_root: Path | None = None) -> Source:
    return open_source(root=str(data_root) if data_root else None, samples=data_root is None)


def build(task: Task, source: Source) -> TaskSamples:
    return build_for(task, source, EvenReader)


def rows_of(task: Task, source: Source) -> dict[str, Row]:
    table = task.table(source, EvenReader)
    return {table.ids[i]: table.full_row(table.rows[i]) for i in range(len(table.rows))}


def check_gold_and_distractors(task: Task, sample: Sample) -> None:
    if isinstance(task, MultipleChoice):
        assert isinstance(sample.request, Score) and isinstance(sample.target, dict)
        gold = sample.target["gold"]
        n = len(sample.request.continuations)
        for winner in range(n):
            # likeliest under every normalisation: 0 nats against -1000
            response = ScoreResponse(tuple(0.0 if i == winner else -1000.0 for i in range(n)), (1,) * n, (False,) * n)
            assert set(task.score(sample.target, response).scores.values()) == {float(winner == gold)}


def score_of(task: Generation, sample: Sample, text: str) -> float:
    """The primary score, scaled so that a perfect answer scores 1. A corpus metric is computed on this item alone."""
    score = checked(task, task.score(sample.target, GenerateResponse((text,), ("stop",), (1,)))).scores[task.primary]
    value = float(task.corpus_metrics()[task.primary](np.array(score))) if isinstance(score, list) else score
    return value / task.scale


def check_task(task: Task, source: Source) -> None:
    try:
        task.check_scorable()
    except SandboxError as error:
        pytest.skip(f"{task.name}: {error}")
    rows = rows_of(task, source)
    samples = build(task, source).samples
    assert samples
    for sample in samples:
        check_gold_and_distractors(task, sample)
        if isinstance(task, Generation):
            row = rows[sample.id]
            assert score_of(task, sample, "") == 0.0, (sample.id, sample.target)
            if not task.golds(row):
                continue  # open-ended
            stop = next((s for s in task.stop if s in f"{task.target_delimiter}{task.solution(row)}"), None)
            assert stop is None, f"the gold answer holds the stop string {stop!r}"
            golds = task.golds(row)
            alone = [gold for gold in golds if task.extract(gold) == gold.strip()]  # if the protocol asks for the answer alone
            for text in (f"{task.target_delimiter}{task.solution(row)}", *alone):
                assert score_of(task, sample, text) == 1.0, (sample.id, text, sample.target)
            if task.primary in FOUND_ANYWHERE or task.name in PARSED_ANYWHERE:
                continue
            padded = score_of(task, sample, f" not {golds[0]} at all")
            assert padded < 1.0 if task.primary in PARTIAL else padded == 0.0, (sample.id, golds[0])


@pytest.mark.parametrize("name", TASKS)
def test_gold_scores_one_on_bundled_samples(name: str) -> None:
    check_task(task_of(name), sources())


@pytest.mark.data
@pytest.mark.parametrize("name", TASKS)
def test_gold_scores_one_on_real_rows(name: str, data_root: Path) -> None:
    task = task_of(name, limit=300, num_fewshot=0)  # scoring needs no exemplars, and the folder may lack their split
    here = [config for config in task.dataset.configs if (data_root / task.dataset.repo / config).is_dir()]
    if here:  # the folder may have only some of the languages
        task.dataset = replace(task.dataset, configs=here)
    task.dataset = replace(task.dataset, split=HERE.get(name, task.dataset.split))
    config = task.dataset.config
    lacking = name == "infovqa" and config and not (data_root / task.dataset.repo / config).is_dir()
    if lacking or sources(data_root).available(task.dataset, task.samples_file()) != "in folder":
        pytest.skip(f"{task.dataset.repo} is not in GEMMA_EVAL_DATA")
    check_task(task, sources(data_root))


@pytest.mark.parametrize("name", TASKS)
def test_limits_are_nested(name: str) -> None:
    chosen = [{sample.id for sample in build(task_of(name, limit=limit), sources()).samples} for limit in (1, 3, 6, 1000)]
    assert [len(ids) for ids in chosen[:3]] == [1, 3, 6]
    assert chosen[0] < chosen[1] < chosen[2] < chosen[3]


@pytest.mark.parametrize("name", TASKS)
def test_a_limit_is_not_the_first_n(name: str) -> None:
    for seed in range(20):
        ids = [sample.id for sample in build(task_of(name, limit=3, seed=seed), sources()).samples]
        full = [sample.id for sample in build(task_of(name), sources()).samples]
        if ids != full[:3]:
            return
    pytest.fail("twenty seeds chose the first three items")


@pytest.mark.parametrize("policy", [Fewshot.seeded, Fewshot.per_item])
@pytest.mark.parametrize("name", TASKS)
def test_exemplars_are_never_the_item(name: str, policy: Fewshot) -> None:
    """Exemplars are drawn from the scored split. Either none of them is scored, or none is in its own prompt."""
    task = task_of(name, fewshot=policy, num_fewshot=1)
    task.dataset = replace(task.dataset, fewshot_split=task.dataset.split)  # the default is shared by all instances
    rows = rows_of(task, sources())
    if isinstance(task, Generation) and not task.golds(next(iter(rows.values()))):
        pytest.skip("an open-ended task shows no exemplars")
    built = build(task, sources())
    for sample in built.samples:
        (shot,) = sample.request.prompt.shots
        assert shot != as_parts(task.shot(rows[sample.id]))
    everything = build(task_of(name, num_fewshot=0), sources()).size
    assert built.size == everything if policy is Fewshot.per_item else built.size < everything


@pytest.mark.parametrize("name", TASKS)
def test_prompts_end_without_a_space_and_differ(name: str) -> None:
    samples = build(task_of(name), sources()).samples
    texts = set()
    for sample in samples:
        text = "".join(part.sha256 if isinstance(part, Image) else part for part in sample.request.prompt.parts)
        if isinstance(sample.request, Score):
            assert all(not c.text.endswith(" ") for c in sample.request.continuations)
            assert not any((text + c.given).endswith(" ") for c in sample.request.continuations)
            text += repr([c.given + c.text for c in sample.request.continuations])
        else:
            assert not text.endswith(" ")
        texts.add(text)
    assert len(texts) == len(samples)


@pytest.mark.parametrize("name", TASKS)
def test_too_many_shots_is_one_clear_error(name: str) -> None:
    task = task_of(name, fewshot=Fewshot.seeded, num_fewshot=500)
    if task.dataset.fewshot_split is None:
        pytest.skip("this task has no exemplar split")
    with pytest.raises(DataError, match=rf"{name}: .*500 are needed|no bundled rows"):
        build(task, sources())
