"""The benchmarks' repositories hold the bundled rows, laid out as on the Hub."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import PIL.Image
import pyarrow.parquet as pq
import pytest
import yaml

from gemma_eval.task.registry import registry
from tests.hub import children
from tests.hub.repositories import UNREAD, Shape, add_benchmarks, references, write_enlarged, write_repositories
from tests.hub.server import LocalHub


def card(folder: Path) -> dict[str, Any]:
    """The YAML header of README.md."""
    found: dict[str, Any] = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    return found


def bundled(samples: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in samples.read_text().splitlines() if line.strip()]


def test_every_task_has_its_repositories(sample_repositories: Path) -> None:
    found = {f"{path.parent.name}/{path.name}" for path in sample_repositories.glob("*/*")}
    assert found == {repo for ref, _ in references() for repo in ref.repos()}
    assert len(found) > 50
    assert "princeton-vl/SpatialSense" not in found  # it is not on the Hub


def test_images_are_in_the_files(sample_repositories: Path) -> None:
    ref, samples = next((ref, samples) for ref, samples in references() if samples.stem == "mmmu")
    folder = sample_repositories / ref.repo
    for config, split in (("Accounting", "dev"), ("Math", "validation")):
        rows = [row for file in sorted((folder / config).glob(f"{split}-*")) for row in pq.read_table(file).to_pylist()]
        items = [item["row"] for item in bundled(samples) if (item["config"], item["split"]) == (config, split)]
        assert len(rows) == len(items) > 0
        for row, item in zip(rows, items, strict=True):
            path = samples.parent / item["image_1"]["path"]
            assert row["image_1"] == {"bytes": path.read_bytes(), "path": path.name}
            assert row["image_7"] is None
            assert row["question"] == item["question"]
    schema = pq.read_schema(folder / "Math" / "dev-00000-of-00001.parquet")
    assert str(schema.field("image_7").type) == "struct<bytes: binary, path: string>"
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image_7"] == {"_type": "Image"}


def test_a_split_has_row_groups_and_files(sample_repositories: Path) -> None:
    names = {ref.repo for ref, samples in references() if samples.stem == "vqav2"}
    files = sorted((sample_repositories / names.pop() / "data").glob("validation-*"))
    assert [file.name for file in files] == ["validation-00000-of-00002.parquet", "validation-00001-of-00002.parquet"]
    metadata = [pq.read_metadata(file) for file in files]
    assert [(found.num_rows, found.num_row_groups) for found in metadata] == [(10, 3), (6, 2)]


def test_enlarged_splits_have_rows_and_images_that_differ(tmp_path: Path) -> None:
    folder = write_enlarged(tmp_path, "vqav2", copies=3, shape=Shape(row_group=6, file_rows=24, noise=100_000))
    files = sorted((folder / "data").glob("validation-*"))
    assert [pq.read_metadata(file).num_rows for file in files] == [24, 24]
    assert pq.read_metadata(files[0]).num_row_groups == 4
    assert all(file.stat().st_size > 24 * 100_000 for file in files)
    images = [image["bytes"] for file in files for image in pq.read_table(file)["image"].to_pylist()]
    assert len(set(images)) == 48
    assert PIL.Image.open(io.BytesIO(images[0])).convert("RGB").width > 0


def test_cards_name_the_files_or_leave_it_to_their_names(sample_repositories: Path) -> None:
    headers = {folder: card(folder) for folder in sample_repositories.glob("*/*")}
    with_configs = [folder for folder, header in headers.items() if "configs" in header]
    for folder in with_configs:
        for config in headers[folder]["configs"]:
            assert {entry["split"] for entry in config["data_files"]} > {UNREAD}
            for entry in config["data_files"]:
                assert list(folder.glob(entry["path"])), (folder, entry)
    plain = [folder for folder in headers.keys() - set(with_configs) if (folder / "data").is_dir()]
    assert len(with_configs) > 30
    assert len(plain) > 10
    assert {len({file.name.split("-")[0] for file in (folder / "data").iterdir()}) for folder in plain} >= {2, 3}


def test_json_repositories(sample_repositories: Path) -> None:
    found = [(ref, samples) for ref, samples in references() if ref.files]
    assert len(found) >= 4
    for ref, samples in found:
        for item in bundled(samples):
            split = "dev" if item["split"] == "validation" else item["split"]
            file = sample_repositories / ref.repo / str(ref.files).format(config=item["config"], split=split)
            text = file.read_text()
            rows = [json.loads(line) for line in text.splitlines()] if file.suffix == ".jsonl" else json.loads(text)["examples"]
            assert item["row"] in rows


def test_configurations_without_samples_are_there_on_request(sample_repositories: Path, tmp_path: Path) -> None:
    write_repositories(tmp_path, complete=False)
    ref, samples = next((ref, samples) for ref, samples in references() if ref.pivot)
    few = {path.name for path in (tmp_path / ref.repo).iterdir() if path.is_dir()}
    assert few == {item["config"] for item in bundled(samples)}
    assert {path.name for path in (sample_repositories / ref.repo).iterdir() if path.is_dir()} == {*ref.configs, ref.pivot}


def test_pinned_commits_are_the_pages(benchmark_hub: LocalHub) -> None:
    pinned = {repo: ref.pinned for ref, _ in references() for repo in ref.repos() if ref.pinned}
    assert pinned
    for repo, commit in pinned.items():
        assert benchmark_hub.repository("datasets", repo).head == commit


def test_a_repository_under_a_former_organisation_is_redirected(hub: LocalHub, sample_repositories: Path, tmp_path: Path) -> None:
    name = registry()["vqav2"]().dataset.repo
    former = tmp_path / "former" / name.split("/")[1]
    former.parent.mkdir()
    former.symlink_to(sample_repositories / name)
    add_benchmarks(hub, tmp_path)
    assert hub.moved == {("datasets", f"former/{former.name}"): name}
    assert hub.repository("datasets", name).head


@pytest.mark.parametrize("task", ["piqa", "mmlu", "vqav2", "blink"])
def test_datasets_reads_them_from_the_hub(benchmark_hub: LocalHub, home: Path, task: str) -> None:
    """The independent reader finds the splits, and decodes the images."""
    ref = registry()[task]().dataset
    items = [item for item in bundled(registry()[task].samples_file()) if item["split"] == ref.split]
    config = items[0]["config"] if ref.configs else ref.config
    code = f"""
import datasets
found = datasets.load_dataset({ref.repo!r}, {config!r}, split={ref.split!r})
image = next((name for name, kind in found.features.items() if isinstance(kind, datasets.Image)), None)
value = [found.num_rows, image and found[0][image].size[0]]
"""
    rows, width = children.value(benchmark_hub, home, code)
    assert rows == len([item for item in items if item["config"] == items[0]["config"]])
    assert (width is None) == (task in ("piqa", "mmlu"))


@pytest.mark.data
def test_real_repositories(hub: LocalHub, data_root: Path) -> None:
    add_benchmarks(hub, data_root)
    pages = {repo for ref, _ in references() for repo in ref.repos()}
    assert len(pages & {name for _, name in hub.repositories}) > 20
