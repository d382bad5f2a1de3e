"""Names of files become configurations and splits, as `datasets` finds them; it serves as the oracle here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import datasets
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.data.files import FolderFiles, names_of
from gemma_eval.data.layout import Layout, MissingSplitError, format_of
from gemma_eval.errors import DataError


def readme(*configs: Mapping[str, object]) -> str:
    return f"---\n{yaml.safe_dump({'license': 'mit', 'configs': [dict(config) for config in configs]})}---\n\nText\n"


def split(name: str, path: str | list[str]) -> dict[str, object]:
    return {"split": name, "path": path}


PLAIN = ["README.md", "data/test-00000-of-00002.jsonl", "data/test-00001-of-00002.jsonl", "data/train-00000-of-00001.jsonl"]
FOLDERS = ["en/test.jsonl", "en/dev.jsonl", "de/test.jsonl", "de/notes.md"]
DATA_DIRS = readme({"config_name": "de", "data_dir": "de"}, {"config_name": "en", "data_dir": "en"})
TWO = readme(
    {"config_name": "en", "data_files": [split("test", "en/test*")], "default": True},
    {"config_name": "de", "data_files": [split("test", "de/test.jsonl"), split("validation", ["en/dev.jsonl"])]},
)

FOUND = [
    (PLAIN, "", None, "test", PLAIN[1:3]),
    (PLAIN, "no metadata", None, "train", PLAIN[3:]),
    (PLAIN, readme({"config_name": "default", "data_files": "data/train*"}), None, "train", PLAIN[3:]),
    (["test.jsonl", "x/train.jsonl"], "", None, "test", ["test.jsonl"]),
    (["validation.jsonl", "dev.jsonl"], "", None, "validation", ["validation.jsonl", "dev.jsonl"]),
    (["some.jsonl", "other.jsonl"], "", None, "train", ["other.jsonl", "some.jsonl"]),
    (["train-2.jsonl", "train-10.jsonl"], "", None, "train", ["train-10.jsonl", "train-2.jsonl"]),
    (FOLDERS, TWO, None, "test", ["en/test.jsonl"]),
    (FOLDERS, TWO, "de", "test", ["de/test.jsonl"]),
    (FOLDERS, TWO, "de", "validation", ["en/dev.jsonl"]),
    (FOLDERS, DATA_DIRS, "de", "test", ["de/test.jsonl"]),
    (FOLDERS, DATA_DIRS, "en", "validation", ["en/dev.jsonl"]),
    (FOLDERS, readme({"config_name": "all", "data_files": "*/test.jsonl"}), "all", "train", ["de/test.jsonl", "en/test.jsonl"]),
    (FOLDERS, readme({"config_name": "all", "data_files": [split("dev", "**/dev.jsonl")]}), None, "dev", ["en/dev.jsonl"]),
    (["a[1].jsonl"], readme({"config_name": "odd", "data_files": [split("test", "a[1].jsonl")]}), None, "test", ["a[1].jsonl"]),
]  # fmt: skip


@pytest.mark.parametrize(("names", "card", "config", "split", "expected"), FOUND)
def test_the_files_of_a_split(tmp_path: Path, names: list[str], card: str, config: str | None, split: str, expected: list[str]) -> None:
    assert Layout(names, card).files(config, split) == expected
    if "a[1].jsonl" in names:
        return  # a name that `datasets` takes for a pattern
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f'{{"name": "{name}"}}\n')
    (tmp_path / "README.md").write_text(card)
    loaded = datasets.load_dataset(str(tmp_path), config, split=split, cache_dir=str(tmp_path / "cache"))
    assert list(loaded["name"]) == expected


MISSING = [
    (PLAIN, "", None, "validation", "no split 'validation'; it has train, test"),
    (PLAIN, "", "en", "test", "no such configuration; it has default"),
    (FOLDERS, TWO, "fr", "test", "no such configuration; it has en, de"),
    (FOLDERS, TWO, "en", "validation", "no split 'validation'; it has test"),
    (FOLDERS, TWO.replace("default: true", ""), None, "test", "a configuration must be named: en, de"),
    (["README.md", "notes.md"], "", None, "train", "no files of split 'train' (**)"),
    ([], "", None, "test", "no data files"),
    (FOLDERS, readme({"config_name": "en", "data_files": [split("test", "gone/*")]}), None, "test", "no files of split 'test' (gone/*)"),
    (FOLDERS, readme({"config_name": "de", "data_files": [split("test", "de/notes.md")]}), None, "test", "no files of split 'test'"),
    ([], readme(*({"config_name": f"c{i:02}"} for i in range(25))), None, "test", "a configuration must be named: c00, c01"),
]  # fmt: skip


@pytest.mark.parametrize(("names", "card", "config", "split", "said"), MISSING)
def test_what_is_not_there_is_said(names: list[str], card: str, config: str | None, split: str, said: str) -> None:
    with pytest.raises(MissingSplitError) as raised:
        Layout(names, card).files(config, split)
    assert str(raised.value).startswith(said)


def test_many_choices_are_shortened() -> None:
    with pytest.raises(MissingSplitError, match=r"c19 and 5 more$"):
        Layout([], readme(*({"config_name": f"c{i:02}"} for i in range(25)))).files("c99", "test")


@pytest.mark.parametrize("card", ["---\nconfigs: [\n---\n", "---\na: b: c\n---\n"])
def test_metadata_that_cannot_be_read(card: str) -> None:
    with pytest.raises(DataError, match=r"^README\.md: its metadata cannot be read: .+") as raised:
        Layout(PLAIN, card).files(None, "test")
    assert "\n" not in str(raised.value)


def test_data_files_that_cannot_be_read() -> None:
    """Two entries of one split."""
    card = readme({"config_name": "en", "data_files": [split("test", "a"), split("test", "b")]})
    with pytest.raises(DataError, match=r"^README\.md: its data_files cannot be read: "):
        Layout(FOLDERS, card).files("en", "test")


def test_metadata_with_the_ends_of_lines_of_windows() -> None:
    assert Layout(FOLDERS, TWO.replace("\n", "\r\n")).files("de", "test") == ["de/test.jsonl"]


def test_parameters_are_what_the_reader_is_told() -> None:
    card = readme({"config_name": "en", "data_files": "*.csv", "sep": ";", "description": "x"}, {"config_name": "de"})
    assert Layout([], card).parameters("en") == {"sep": ";"}
    assert Layout([], card).parameters("de") == Layout(PLAIN).parameters(None) == {}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("data/test-00000-of-00001.parquet", "parquet"),
        ("v1.0/a.b.JSONL", "json"),
        ("a.json.gz", "json"),
        ("a.tsv", "csv"),
        ("a.csv.zst", "csv"),
        ("a.txt", "text"),
        ("README.md", None),
        ("images/a.png", None),
        ("LICENSE", None),
    ],
)
def test_formats(name: str, kind: str | None) -> None:
    assert format_of(name) == kind


README = "---\nconfigs:\n{}\n---\n"


@pytest.mark.parametrize(
    ("configs", "said"),
    [
        ("- config_name: [", "README.md: its metadata cannot be read: .*line"),
        ("- config_name: 2024-13-45", "README.md: its metadata cannot be read: month must be in"),
        ("  5", r"README.md: configs: found 5, expected a mapping with config_name and data_files"),
        ("- data_files: a.csv", "README.md: configs: found {'data_files': 'a.csv'}, expected a mapping"),
        ("- config_name: [a]\n  data_files: a.csv", "README.md: configs: found .*expected a mapping"),
        (
            "- config_name: a\n  data_files: a.csv\n- config_name: a\n  data_files: b.csv",
            "README.md: configs: two are called 'a', with other",
        ),
        ("- config_name: a\n  data_files: 5", "README.md: its data_files cannot be read: "),
        ("- config_name: a\n  data_files:\n  - split: test", "README.md: its data_files cannot be read: "),
        (
            "- config_name: a\n  data_files:\n  - split: test\n    path: /etc/passwd",
            "README.md: data_files '/etc/passwd': not a file of the",
        ),
        ("- config_name: a\n  data_files:\n  - split: test\n    path: ../x.csv", r"README.md: data_files '\.\./x.csv': not a file of the"),
        ("- config_name: a\n  data_files:\n  - split: test\n    path: https://x.org/x.csv", "README.md: data_files 'https:.*': not a file"),
        ("- config_name: a\n  data_files:\n  - split: test\n    path: lost.csv", r"no files of split 'test' \(lost.csv\)"),
    ],
)
def test_a_broken_readme_is_named(configs: str, said: str) -> None:
    with pytest.raises(DataError, match=f"^{said}") as error:
        Layout(["a.csv", "b.csv"], README.format(configs)).files("a", "test")
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


ANY_YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "test", "*.csv", "", "..", "/", "a.csv", "**", "["]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["config_name", "data_files", "split", "path", "data_dir"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(configs=ANY_YAML)
def test_any_readme_is_read_or_refused(configs: object) -> None:
    text = f"---\n{yaml.safe_dump({'configs': configs})}\n---\n"
    for config in ("a", None):
        with contextlib.suppress(DataError):
            Layout(["a.csv", "data/test.csv"], text).files(config, "test")


def test_a_readme_may_be_of_any_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    (tmp_path / "README.md").write_bytes(README.format("- config_name: a\n  data_files: a.csv").encode() + b"\xff caf\xe9")
    assert FolderFiles(tmp_path).layout.files("a", "train") == ["a.csv"]


def test_a_file_that_the_page_names_comes_first(tmp_path: Path) -> None:
    for name in ("qa_de_dev.json", "qa_de_test.json", "test.jsonl"):
        (tmp_path / name).write_text("[]")
    files = FolderFiles(tmp_path)
    template = "qa_{config}_{split}.json"
    assert names_of(files, "de", "validation", template) == ["qa_de_dev.json"]
    assert names_of(files, "de", "test", template) == ["qa_de_test.json"]
    assert "test.jsonl" in names_of(files, None, "test", template)
