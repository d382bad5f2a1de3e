"""Frames and exports: every number is that of scores.json, and the tools that the files are made for read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from gemma_eval.commands.main import main
from gemma_eval.errors import RunError
from gemma_eval.export import frames as results
from gemma_eval.export.frames import SCORE_COLUMNS, Runs
from gemma_eval.scoring.scores_json import write_scores
from gemma_eval.store.manifest import GroupSize
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.scores import MetricScore
from gemma_eval.types import JSON
from tests.runs import answers, generated, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """Independent items, items of two subsets, generated texts, and a corpus metric."""
    subjects = ["anatomy", "astronomy"]
    records = {
        "piqa": answers([True] * 6 + [False] * 4),
        "mmlu": [replace(record, subset=subjects[i % 2]) for i, record in enumerate(answers([True, True, False, True, False], "mmlu"))],
        "trivia_qa": [
            generated("trivia_qa", str(i), text, ["Paris"]) for i, text in enumerate(["Paris", "Rome", "paris", "\u2028<script>"])
        ],
        "flores": [generated("flores", str(i), text, ["ein Haus"], subset="en-de") for i, text in enumerate(["ein Haus", "eine Maus", ""])],
    }
    run = write_run(tmp_path_factory.mktemp("runs") / "made", records, model={"size": "4b"})
    write_scores(run)
    return run


@pytest.fixture(scope="module")
def runs(run: RunDir) -> Runs:
    return results.load(run.path)


def change_task(run: RunDir, name: str, **changes: Any) -> None:
    """Write other fields into the manifest of one task."""
    manifest = run.manifest
    run.write_json("manifest.json", replace(manifest, tasks=manifest.tasks | {name: replace(manifest.tasks[name], **changes)}).to_json())


Place = tuple[str, str, str, str]  # task, subset, average, metric


def stored(run: RunDir) -> Iterator[tuple[Place, MetricScore]]:
    """Every number of scores.json, by where it stands."""
    for task, entry in run.scores.tasks.items():
        parts: list[tuple[str, str, dict[str, MetricScore]]] = [("", entry.average or "", entry.metrics)]
        parts += [("", average, found) for average, found in (("micro", entry.micro), ("macro", entry.macro)) if found is not None]
        parts += [(name, "", subset.metrics) for name, subset in entry.subsets.items()]
        for subset, average, metrics in parts:
            for metric, numbers in metrics.items():
                yield (task, subset, average, metric), numbers


def check(frame: pd.DataFrame, run: RunDir) -> None:
    expected = dict(stored(run))
    assert len(frame) == len(expected) == 9
    for row in frame.fillna({"subset": "", "average": "", "group": ""}).to_dict("records"):
        numbers = expected[row["task"], row["subset"], row["average"], row["metric"]]
        low, high = numbers.ci95 or (None, None)
        for column, value in {"value": numbers.value, "stderr": numbers.stderr, "low": low, "high": high}.items():
            assert row[column] == value or (value is None and pd.isna(row[column]))


def test_every_score_is_in_the_frame(run: RunDir, runs: Runs) -> None:
    check(runs.scores, run)
    piqa = runs.scores.query("task == 'piqa' and primary").iloc[0]
    assert (piqa["benchmark"], piqa["published"], piqa["verdict"]) == ("PIQA", 0.796, "consistent")
    assert runs.scores.query("task == 'flores' and primary and subset == ''")["published"].item() == 39.2
    assert runs.scores.query("not primary or subset != ''")["verdict"].isna().all()
    assert runs.tasks.set_index("task")["n"].to_dict() == {"piqa": 10, "mmlu": 5, "trivia_qa": 4, "flores": 3}


def test_the_mean_of_the_items_is_the_score(run: RunDir, runs: Runs) -> None:
    scores = runs.scores.query("primary and subset == '' and average != 'macro'").set_index("task")["value"]
    means = runs.records.groupby("task")["score"].mean()
    for task in ("piqa", "mmlu", "trivia_qa"):
        assert means[task] == pytest.approx(scores[task])
    texts = runs.records.query("task == 'trivia_qa'")
    assert list(texts["answer"]) == ["Paris", "Rome", "paris", "\u2028<script>"]
    assert list(runs.records.query("task == 'piqa'")["answer"]) == [0] * 6 + [1] * 4
    assert runs.records.query("task == 'flores'")["score"].isna().all()  # counts, not scores


def test_a_group_of_subsets_has_its_own_row(tmp_path: Path) -> None:
    """RULER's lengths: rows of the card are groups of one task."""
    names = [f"{length}/{name}" for length in (32768, 131072) for name in ("vt", "cwe")]
    golds: dict[str, JSON] = {"vt": {"answers": ["blue"], "match": "all"}, "cwe": {"answers": ["red"], "match": "all"}}
    records = [generated("ruler", name, "blue", golds[name.partition("/")[2]], subset=name) for name in names]
    made = write_run(tmp_path / "ruler", {"ruler": records}, model={"size": "4b"})
    change_task(made, "ruler", groups={str(length): GroupSize(2, 2) for length in (32768, 131072)})
    groups = write_scores(made).tasks["ruler"].groups
    rows = results.load(made.path).scores.query("group != '' and primary").set_index("group")
    assert list(rows["benchmark"]) == ["RULER 128K", "RULER 32K"] and list(rows["published"]) == [0.517, 0.671]
    for name, row in rows.iterrows():
        metric = groups[str(name)].metrics[row["metric"]]
        assert (row["value"], (row["low"], row["high"]), row["n"]) == (metric.value, metric.ci95, 2)


def test_two_runs_of_one_name_are_refused(run: RunDir) -> None:
    with pytest.raises(RunError, match="two runs are called 'made'"):
        results.load([run.path, run.path])


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_tables_read_back(run: RunDir, runs: Runs, tmp_path: Path, form: str) -> None:
    assert main(["export", str(run.path), "--to", form, "--out", str(tmp_path)]) == 0
    read = pd.read_parquet if form == "parquet" else pd.read_csv
    scores, tasks, records = (read(tmp_path / f"{name}.{form}") for name in ("scores", "tasks", "records"))
    check(scores, run)
    assert list(scores.columns) == SCORE_COLUMNS and list(records.columns) == results.RECORD_COLUMNS and len(tasks) == 4
    assert list(records["id"].astype(str)) == list(runs.records["id"])
    assert [json.loads(found) for found in records["scores"]] == list(runs.records["scores"])


def test_lm_eval_reads_ours(run: RunDir, tmp_path: Path) -> None:
    datasets, lm_eval = pytest.importorskip("datasets"), pytest.importorskip("lm_eval.utils")
    assert main(["export", str(run.path), "--to", "lm-eval", "--out", str(tmp_path)]) == 0
    files = sorted(map(str, tmp_path.rglob("*.json*")))
    (file,) = lm_eval.get_results_filenames(files)
    found = json.loads(Path(file).read_text())
    table = lm_eval.make_table(found)
    for (task, subset, average, metric), numbers in stored(run):
        entry = run.scores.tasks[task]
        if average != (entry.average or "") and not subset:
            continue  # the harness has one average
        name = f"{task}_{subset}" if subset else task
        assert found["results"][name][f"{metric},none"] == numbers.value
        assert f"{numbers.value:.4f}" in table
    assert " - anatomy" in table and "mmlu" in lm_eval.make_table(found, "groups")
    samples = {lm_eval.get_file_task_name(Path(name).name): name for name in lm_eval.get_sample_results_filenames(files)}
    assert set(samples) == {"piqa", "mmlu", "trivia_qa", "flores"}
    for task, name in samples.items():
        rows = datasets.load_dataset("json", data_files=name, split="train", cache_dir=str(tmp_path / "cache"))
        metric = run.scores.tasks[task].primary
        assert rows[metric] == [record.scores[metric] for record in run.records(task)]


def test_the_hub_reads_ours(run: RunDir, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard, ModelCardData, parse_eval_result_entries

    assert main(["export", str(run.path), "--to", "model-index", "--out", str(tmp_path)]) == 0
    card = ModelCard(f"---\n{(tmp_path / 'made' / 'model-index.yaml').read_text()}---\n# A model\n")
    assert isinstance(card.data, ModelCardData)
    tasks = run.scores.tasks
    expected = {(entry.primary, entry.score.value) for entry in tasks.values()}
    assert expected <= {(result.metric_type, result.metric_value) for result in card.data.eval_results or []}
    (entry,) = parse_eval_result_entries(yaml.safe_load((tmp_path / "made" / ".eval_results" / "piqa.yaml").read_text()))
    assert (entry.dataset_id, entry.value) == ("baber/piqa", tasks["piqa"].metrics["acc_norm"].value)


def test_bundled_samples_are_nothing_to_publish(run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = write_run(tmp_path / "samples", {"piqa": answers([True, False])})
    change_task(copy, "piqa", source="samples")
    write_scores(copy)
    assert main(["export", str(copy.path), "--to", "model-index", "--out", str(tmp_path)]) == 1
    assert main(["export", str(copy.path), "--to", "excel", "--out", str(tmp_path)]) == 1
    shown = capsys.readouterr().err
    assert "bundled samples alone" in shown and "Choices: parquet, csv, lm-eval" in shown


def test_weights_and_biases_offline(run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="the extra `wandb` is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert main(["export", str(run.path), "--to", "wandb", "--out", str(tmp_path)]) == 0
    (table,) = tmp_path.rglob("offline-run-*/**/scores*.table.json")
    content = json.loads(table.read_text())
    check(pd.DataFrame(content["data"], columns=content["columns"]), run)


def test_mlflow_in_a_local_database(run: RunDir, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    assert main(["export", str(run.path), "--to", "mlflow", "--out", str(tmp_path)]) == 0
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (logged,) = client.search_runs([client.get_experiment_by_name("gemma-eval").experiment_id])
    assert logged.info.run_name == "made" and logged.data.params["size"] == "4b"
    for task, entry in run.scores.tasks.items():
        for metric, numbers in entry.metrics.items():
            assert logged.data.metrics[f"{task}/{metric}"] == numbers.value
