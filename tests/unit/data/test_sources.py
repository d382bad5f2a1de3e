from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.sources import open_source
from gemma_eval.errors import DataError
from gemma_eval.run.missing import without
from gemma_eval.task.base import Task
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build

GOOD = [{"goal": f"g{i}", "sol1": "a", "sol2": "b", "label": i % 2} for i in range(6)]


def write(root: Path, rows: list[dict[str, Any]], repo: str = "baber/piqa", split: str = "validation") -> Path:
    folder = root / repo / "data"
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(folder / f"{split}-00000-of-00001.parquet")
    return root


def piqa(**settings: Any) -> Task:
    task = registry()["piqa"]()
    for name, value in settings.items():
        setattr(task, name, value)
    return task


def test_a_local_folder_is_read_like_the_hub(tmp_path: Path) -> None:
    built = build(piqa(), open_source(root=str(write(tmp_path, GOOD)), samples=False))
    assert [sample.id for sample in built.samples] == [str(i) for i in range(6)]
    assert built.provenance.source == "folder" and built.provenance.rows == 6


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"goal": "g", "sol1": "a", "label": 0}],
            r"piqa: baber/piqa config=default split=validation row=0: no column 'sol2'; it has goal",
        ),
        ([*GOOD[:2], {**GOOD[2], "label": 5}], r"row=2: bad row: answer 5 is not among 2 choices"),
        ([*GOOD[:3], {**GOOD[3], "label": None}], r"row=3: bad row"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    try:
        (reason,) = build(piqa(), open_source(root=str(write(tmp_path, rows)), samples=False)).refused.values()
    except DataError as error:  # there is no other row
        reason = str(error)
    assert re.search(message, reason)


def test_a_missing_repository_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"baber/piqa: not in data.root=.*Put a copy"):
        build(piqa(), open_source(root=str(tmp_path), samples=False))


def test_a_repository_for_every_part(tmp_path: Path) -> None:
    """Parts may have columns of their own, and each part is named in ids and errors."""
    write(tmp_path, GOOD[:2], repo="example/exam-a")
    write(tmp_path, [{**GOOD[2], "answer": "x"}], repo="example/exam-b")
    ref = DatasetRef("example/exam-{config}", split="validation", configs=["a", "b"])
    source = open_source(root=str(tmp_path), samples=False)
    table = source.table(ref, "validation", tmp_path)
    assert (table.ids, table.configs) == (["a/0", "a/1", "b/0"], ["a", "a", "b"])
    assert [row["answer"] for row in table.rows] == [None, None, "x"]
    assert source.available(ref, tmp_path) == "in folder"
    ref.configs.append("c")
    assert source.available(ref, tmp_path) == "not in folder"
    table = source.table(ref, "validation", tmp_path)
    assert table.configs == ["a", "a", "b"] and list(table.missing) == ["c"] and "not in data.root=" in table.missing["c"]


def test_bundled_items_of_the_chosen_configurations() -> None:
    task = registry()["global_mmlu_lite"]()
    task.dataset = replace(task.dataset, configs=["de", "es"])
    assert {sample.subset for sample in build(task, open_source(root=None, samples=True)).samples} == {"de", "es"}


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    source = open_source(root=str(write(tmp_path, GOOD, split="train")), samples=False)
    with pytest.raises(DataError, match=r"baber/piqa config=default split=validation: cannot be read"):
        build(piqa(), source)


def test_a_missing_folder_is_refused() -> None:
    with pytest.raises(DataError, match=r"data.root=/nowhere: no such folder"):
        open_source(root="/nowhere", samples=False)


def test_the_hub_out_of_reach_is_one_clear_error() -> None:
    with pytest.raises(DataError, match=r"^nobody/nothing: HF_HUB_OFFLINE is set, and its files are not in the cache: .*data.root"):
        build(piqa(dataset=DatasetRef("nobody/nothing", split="test")), open_source(root=None, samples=False))


def test_the_row_hash_sees_every_change(tmp_path: Path) -> None:
    def fingerprint(name: str, rows: list[dict[str, Any]]) -> str:
        built = build(piqa(limit=1), open_source(root=str(write(tmp_path / name, rows)), samples=False))
        return built.provenance.rows_sha256

    first = fingerprint("a", GOOD)
    assert first == fingerprint("b", GOOD)
    assert first != fingerprint("c", [*GOOD[:-1], {**GOOD[-1], "goal": "other"}])
    assert first != fingerprint("d", GOOD[::-1])


def test_exemplars_are_recorded() -> None:
    task = registry()["hellaswag"]()
    task.seed = 3
    exemplars = build(task, open_source(root=None, samples=True)).provenance.exemplars
    assert exemplars["shots"] == 10 and exemplars["policy"] == "seeded" and exemplars["seed"] == 3
    assert len(set(exemplars["ids"]["all"])) == 10


def test_per_item_exemplars_differ_between_items() -> None:
    from gemma_eval.task.fewshot import Fewshot

    task = registry()["arc_challenge"]()
    task.fewshot, task.num_fewshot, task.seed = Fewshot.per_item, 3, 0
    samples = build(task, open_source(root=None, samples=True)).samples
    assert len({sample.request.prompt.shots for sample in samples}) > 1


def parallel(root: Path, **languages: dict[str, list[Any]]) -> DatasetRef:
    """A repository with one configuration per language, and a reference to all but English."""
    for language, columns in languages.items():
        folder = root / "org" / "parallel" / language
        folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(columns).to_parquet(folder / "test.parquet")
    configs = "".join(f"- config_name: {name}\n  data_files:\n  - split: test\n    path: {name}/test.parquet\n" for name in languages)
    (root / "org" / "parallel" / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    return DatasetRef("org/parallel", configs=[name for name in languages if name != "eng"], pivot="eng")


def test_parallel_configurations_get_the_columns_of_the_pivot(tmp_path: Path) -> None:
    ids = [4, 9]
    ref = parallel(
        tmp_path,
        eng={"id": ids, "text": ["one", "two"]},
        deu={"id": ids, "text": ["eins", "zwei"]},
        fra={"id": ids, "text": ["un", "deux"]},
    )
    table = open_source(root=str(tmp_path), samples=False).table(ref, "test", tmp_path)
    assert [(row["pivot_text"], row["text"], row["config"]) for row in table.rows] == [
        ("one", "eins", "deu"),
        ("two", "zwei", "deu"),
        ("one", "un", "fra"),
        ("two", "deux", "fra"),
    ]


@pytest.mark.parametrize("deu", [{"id": [9, 4], "text": ["zwei", "eins"]}, {"id": [4], "text": ["eins"]}])
def test_rows_that_are_not_parallel_are_refused(tmp_path: Path, deu: dict[str, list[Any]]) -> None:
    ref = parallel(tmp_path, eng={"id": [4, 9], "text": ["one", "two"]}, deu=deu)
    with pytest.raises(DataError, match=r"config=deu split=test: .*not parallel to the pivot"):
        open_source(root=str(tmp_path), samples=False).table(ref, "test", tmp_path)


def test_json_files_by_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "org" / "json"
    folder.mkdir(parents=True)
    for config in ("bn", "hi"):
        (folder / f"qa_{config}_dev.json").write_text(json.dumps({"canary": "x", "examples": [{"q": f"{config}?"}]}))
    ref = DatasetRef("org/json", configs=["bn", "hi"], files="qa_{config}_{split}.json")
    table = open_source(root=str(tmp_path), samples=False).table(ref, "validation", tmp_path)
    assert [(row["q"], row["config"]) for row in table.rows] == [("bn?", "bn"), ("hi?", "hi")]
    assert table.ids == ["bn/0", "hi/0"]


def test_rows_of_several_configs_name_theirs(tmp_path: Path) -> None:
    for language in ("de", "en"):
        folder = tmp_path / "some" / "set" / language
        folder.mkdir(parents=True)
        pd.DataFrame([{"question": f"q {language}"}]).to_parquet(folder / "test-00000-of-00001.parquet")
    headers = "".join(f"- config_name: {name}\n  data_files: {name}/*.parquet\n" for name in ("de", "en"))
    (tmp_path / "some" / "set" / "README.md").write_text(f"---\nconfigs:\n{headers}---\n")
    ref = DatasetRef("some/set", split="train", configs=["en", "de"])
    table = open_source(root=str(tmp_path), samples=False).table(ref, "train", tmp_path)
    assert list(table.rows) == [{"question": "q en", "config": "en"}, {"question": "q de", "config": "de"}]
    assert (table.ids, table.configs) == (["en/0", "de/0"], ["en", "de"])


def test_a_folder_that_changed_is_read_anew(tmp_path: Path) -> None:
    def texts(root: Path, *german: str) -> list[str]:
        ref = parallel(root, eng={"text": ["one", "two"]}, deu={"text": [*german]})
        return [row["text"] for row in open_source(root=str(root), samples=False).table(ref, "test", root).rows]

    assert texts(tmp_path / "a", "eins", "zwei") == ["eins", "zwei"]
    assert texts(tmp_path / "b", "uno", "due!") == ["uno", "due!"]
    assert texts(tmp_path / "a", "zwei", "eins") == ["zwei", "eins"]


def test_a_task_goes_on_without_the_configurations_that_a_folder_lacks(tmp_path: Path) -> None:
    texts: dict[str, list[Any]] = {"id": [4, 9], "text": ["one", "two"]}
    parallel(tmp_path, eng=texts, deu=texts)
    ref = DatasetRef("org/parallel", configs=["fra", "deu", "ita"], pivot="eng")
    table = open_source(root=str(tmp_path), samples=False).table(ref, "test", tmp_path)
    assert table.configs == ["deu", "deu"] and list(table.missing) == ["fra", "ita"]
    assert without(table.missing).startswith("without fra, ita: cannot be read: no such configuration; it has eng, deu")
    ref.configs.remove("deu")
    with pytest.raises(DataError, match=r"org/parallel config=fra split=test: cannot be read: no such configuration"):
        open_source(root=str(tmp_path), samples=False).table(ref, "test", tmp_path)
