"""Traps of the translation and passage-question pages, on bundled and on real rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gemma_eval.data.sources import open_source
from gemma_eval.task.base import Task
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import TaskSamples, build
from gemma_eval.types import Generate, GenerateResponse

TRANSLATION = ["wmt24pp", "flores", "indicgenbench_flores"]
QUESTIONS = ["xquad", "indicgenbench_xquad", "indicgenbench_xorqa_en", "indicgenbench_xorqa_xx"]


def task_of(name: str, **settings: Any) -> Task:
    task = registry()[name](seed=7)
    for setting, value in settings.items():
        setattr(task, setting, value)
    return task


def bundled(task: Task) -> TaskSamples:
    return build(task, open_source(root=None, samples=True))


def prompt(sample: Any) -> str:
    return "".join(str(part) for part in sample.request.prompt.parts)


def scored(task: Task, target: Any, text: str) -> Any:
    return task.score(target, GenerateResponse((text,), ("stop",), (1,))).scores


def test_how_many_languages() -> None:
    numbers = {name: len(registry()[name]().dataset.configs) for name in [*TRANSLATION, *QUESTIONS]}
    assert numbers == {
        "wmt24pp": 55,
        "flores": 100,
        "indicgenbench_flores": 29,
        "xquad": 12,
        "indicgenbench_xquad": 12,
        "indicgenbench_xorqa_en": 28,
        "indicgenbench_xorqa_xx": 28,
    }


@pytest.mark.parametrize("name", ["flores", "indicgenbench_flores"])
def test_the_other_direction_swaps_source_and_target(name: str) -> None:
    enum = type(registry()[name]().direction)  # type: ignore[attr-defined]
    there, back = (bundled(task_of(name, direction=direction)).samples for direction in enum)
    for one, other in zip(there, back, strict=True):
        source, target = one.fields["query"], other.target
        assert isinstance(target, list) and str(source).startswith(f"English: {target[0]}\n")
        assert str(other.fields["query"]).endswith("\nEnglish:")
    assert task_of(name, direction=enum.into_english).changed() == {"direction": "into_english"}


def test_canary_and_bad_sources_are_neither_scored_nor_shown() -> None:
    built = bundled(task_of("wmt24pp"))
    assert built.size == 2 * (12 - 1 - 1 - 5)
    for sample in built.samples:
        assert "CANARY" not in prompt(sample) and "example.org" not in prompt(sample)


def test_regions_are_named_where_there_are_two() -> None:
    found = {sample.subset: sample for sample in bundled(task_of("wmt24pp")).samples}
    assert prompt(found["en-de_DE"]).endswith("\nGerman:")
    assert prompt(found["en-fr_CA"]).endswith("\nFrench (Canada):")


@pytest.mark.parametrize("name", [*TRANSLATION, *QUESTIONS])
def test_exemplars_are_the_same_for_all_items_of_a_language(name: str) -> None:
    samples = bundled(task_of(name)).samples
    assert len({sample.request.prompt.shots for sample in samples}) == len({sample.subset for sample in samples}) > 1


def test_a_target_of_several_lines_is_put_on_one() -> None:
    """The newline ends an answer, so a gold must not hold one; chrF does not see white space."""
    task = task_of("wmt24pp", num_fewshot=0)
    target = next(sample.target for sample in bundled(task).samples if sample.id == "en-de_DE/8")
    assert isinstance(target, list) and "\n" not in str(target[0])
    assert scored(task, target, str(target[0]))["chrf_sentence"] == 100


def test_parallel_items_share_a_cluster() -> None:
    for name in [*TRANSLATION, *QUESTIONS]:
        samples = bundled(task_of(name, num_fewshot=0)).samples
        languages = {sample.subset for sample in samples}
        by_cluster = {cluster: {s.subset for s in samples if s.cluster == cluster} for cluster in {s.cluster for s in samples}}
        assert set(map(frozenset, by_cluster.values())) == {frozenset(languages)}, name


def test_chrf_gives_part_of_the_score_and_f1_knows_words() -> None:
    task = task_of("indicgenbench_xorqa_en")
    found = scored(task, ["dark honey and chestnuts"], " the dark honey\n")
    assert 0 < found["chrf"] < 100
    assert found["f1"] == pytest.approx(100 * 2 * 2 / (2 + 4))  # "the" is dropped: two words of two, two of four
    assert scored(task, ["গাঢ় মধু"], "গাঢ় মধু")["f1"] == 100


def test_the_answer_is_asked_for_in_the_right_language() -> None:
    english, own = (bundled(task_of(f"indicgenbench_xorqa_{part}")).samples for part in ("en", "xx"))
    assert {prompt(sample).rpartition("\n")[2] for sample in english} == {"Answer in English:"}
    assert {prompt(sample).rpartition("\n")[2] for sample in own} == {"Answer in Hindi:", "Answer in Bengali:"}
    assert [sample.id for sample in english] == [sample.id for sample in own]
    assert all(one.target != other.target for one, other in zip(english, own, strict=True) if one.target != ["1874"])


def test_no_scored_question_shares_a_passage_with_an_exemplar() -> None:
    for sample in bundled(task_of("xquad")).samples:
        passage = str(sample.fields["query"]).partition("\n\n")[0]
        assert passage not in "".join(str(part) for shot in sample.request.prompt.shots for part in shot)


# -- real rows --------------------------------------------------------------------------------------------------


@pytest.mark.data
def test_wmt24pp_scores_955_of_960(data_root: Path) -> None:
    task = task_of("wmt24pp")
    task.dataset = replace(task.dataset, configs=["en-de_DE", "en-zu_ZA"])
    built = build(task, open_source(root=str(data_root), samples=False))
    assert built.size == 2 * 955
    assert {sample.subset for sample in built.samples} == {"en-de_DE", "en-zu_ZA"}
    assert all(isinstance(sample.request, Generate) and "CANARY" not in prompt(sample) for sample in built.samples)


@pytest.mark.data
@pytest.mark.parametrize(("name", "configs"), [("xquad", ["xquad.en", "xquad.th"]), ("indicgenbench_xquad", ["hi", "ta"])])
def test_ids_tell_the_passage(name: str, configs: list[str], data_root: Path) -> None:
    """Questions of one cluster stand on one passage; few passages have two clusters; languages share them."""
    task = task_of(name)
    table = open_source(root=str(data_root), samples=False).table(replace(task.dataset, configs=configs), task.dataset.split, Path())
    passages: dict[tuple[str, str], set[str]] = {}
    for row in table.rows:
        passages.setdefault((row["config"], task.cluster(row, row["config"], "")), set()).add(row["context"])
    assert all(len(contexts) == 1 for contexts in passages.values())
    clusters = [{cluster for config, cluster in passages if config == wanted} for wanted in configs]
    assert clusters[0] == clusters[1] and 240 <= len(clusters[0]) < 280


@pytest.mark.data
def test_xquad_takes_few_questions_out(data_root: Path) -> None:
    task = task_of("xquad")
    task.dataset = replace(task.dataset, configs=["xquad.en", "xquad.th"])
    assert 2 * 1150 < build(task, open_source(root=str(data_root), samples=False)).size < 2 * 1185


@pytest.mark.data
def test_flores_on_rows_of_flores_200(data_root: Path) -> None:
    """The settings with which facebook/flores, which is not gated, stands in: other column names, no dev split here."""
    task = task_of("flores")
    configs = [config for config in task.dataset.configs if (data_root / "facebook/flores" / config).is_dir()]
    assert len(configs) == 14
    task.dataset = replace(task.dataset, repo="facebook/flores", configs=configs, fewshot_split="devtest")
    built = build(task, open_source(root=str(data_root), samples=False))
    assert built.size == 14 * 1011
    sample = built.samples[0]
    assert prompt(sample).count("English: ") == 2 and prompt(sample).endswith("\nAssamese:")
    assert len({sample.cluster for sample in built.samples}) == 1012


@pytest.mark.data
def test_the_pivot_joins_the_right_rows(data_root: Path) -> None:
    """Flores-IN holds the pairs side by side, in another order: joined by row, FLORES' English and Hindi give the same pairs."""
    source = open_source(root=str(data_root), samples=False)
    flores, indic = task_of("flores"), task_of("indicgenbench_flores")
    ref = replace(flores.dataset, repo="facebook/flores", configs=["hin_Deva"])
    ours = {row["pivot_sentence"]: row["sentence"] for row in source.table(ref, "devtest", Path()).rows}
    theirs = {row["source"]: row["target"] for row in source.table(replace(indic.dataset, configs=["en_hi"]), "test", Path()).rows}
    assert len(ours) == 1012 and ours == theirs
