"""Files of rows: JSON in its forms, and through `datasets` what is neither JSON nor parquet."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gemma_eval.data.files import FolderFiles
from gemma_eval.data.readers import read_files, read_json
from gemma_eval.errors import DataError

ROWS = [{"q": "one", "n": 1}, {"q": "zwei \u2028 zw\u00f6lf", "n": 2}]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def rows_of(folder: Path, *names: str, **parameters: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in read_files(FolderFiles(folder), names, parameters)]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


FORMS = {
    "lines": lines(ROWS),
    "lines of Windows": lines(ROWS).replace("\n", "\r\n"),
    "lines without an end": lines(ROWS).rstrip("\n"),
    "empty lines": "\n" + lines(ROWS).replace("\n", "\n\n"),
    "a byte order mark": "\ufeff" + lines(ROWS),
    "a list": json.dumps(ROWS, indent=1),
    "a document": json.dumps({"canary": "x", "examples": ROWS}, indent=1),
}


@pytest.mark.parametrize("form", FORMS)
def test_json(tmp_path: Path, form: str) -> None:
    (tmp_path / "a.json").write_text(FORMS[form], encoding="utf-8", newline="")
    assert read_json(FolderFiles(tmp_path), "a.json") == ROWS
    assert rows_of(tmp_path, "a.json") == ROWS


@pytest.mark.parametrize(("text", "rows"), [("\n", []), ("[]", []), ('{"q": "one"}\n', [{"q": "one"}]), ('{"examples": []}', [])])
def test_json_of_no_row_or_one(tmp_path: Path, text: str, rows: list[Any]) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    assert rows_of(tmp_path, "a.jsonl") == rows


def test_all_rows_have_all_columns(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"q": "one"}\n{"n": 2}\n')
    (tmp_path / "b.jsonl").write_text('{"x": [1, {"y": 2}]}\n')
    assert rows_of(tmp_path, "a.jsonl", "b.jsonl") == [
        {"q": "one", "n": None, "x": None},
        {"q": None, "n": 2, "x": None},
        {"q": None, "n": None, "x": [1, {"y": 2}]},
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"q": "one"}\n{"q": "tw', "line 2: Unterminated string starting at at column 7"),
        (b'[{"q": "one"},\n{"q": ', "line 2: Expecting value at column 7"),
        (b"<html>", "line 1: Expecting value at column 1"),
        (b'{"q": "one"}\n{"q": "\xff"}', r"line 2: b'\\xff' is not UTF-8"),
        (b'{"q": "one"}\n{"q": "\x00"}', "line 2: Invalid control character at at column 8"),
        (b"\xff\xfe{}", r"line 1: b'\\xff' is not UTF-8"),
        (b'["one", "two"]', "row 0 is no object but str"),
        (b'{"q": "one"}\n3\n', "row 1 is no object but int"),
        (b'{"q": ' + b"[" * 60 + b"]" * 60 + b"}", "row 0 is nested too deeply"),
        (b'{"q": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_json_that_cannot_be_read(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=rf"^data/a\.json: not readable as JSON \({said}\): mend .*data/a\.json, or copy it anew$"):
        rows_of(tmp_path, "data/a.json")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet", "a.jsonl.gz"])
def test_what_is_no_file_of_rows_at_all(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=rf"^{name}: an empty file: mend .*{name}, or copy it anew$"):
        rows_of(tmp_path, name)
    (tmp_path / name).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(DataError, match=rf"^{name}: a pointer of Git LFS instead of the file \(git lfs pull fetches it\): mend "):
        rows_of(tmp_path, name)
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=rf"^{name}: cannot be read \(No such file or directory\)"):
        rows_of(tmp_path, name)


def test_compressed_json(tmp_path: Path) -> None:
    compressors: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    for suffix, compress in compressors.items():
        name, content = f"a.jsonl.{suffix}", compress(lines(ROWS).encode())
        (tmp_path / name).write_bytes(content)
        assert rows_of(tmp_path, name) == ROWS
        for torn in (content[:-9], content[: len(content) // 2] + b"x" + content[len(content) // 2 + 1 :], b"not compressed"):
            (tmp_path / name).write_bytes(torn)
            with pytest.raises(DataError, match=rf"^a\.jsonl\.{suffix}: not readable as JSON \(.+\): mend "):
                rows_of(tmp_path, name)


def test_separated_values(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("q,n\none,1\n")
    (tmp_path / "b.csv").write_text("q,n\ntwo,2\n")
    (tmp_path / "c.csv").write_text('q;n\n"one, two";1\n')
    (tmp_path / "d.tsv").write_text("q\tn\none, two\t1\n")
    (tmp_path / "e.tsv.gz").write_bytes(gzip.compress(b"q\tn\none, two\t1\n"))
    assert rows_of(tmp_path, "a.csv", "b.csv") == [{"q": "one", "n": 1}, {"q": "two", "n": 2}]
    for found in (rows_of(tmp_path, "c.csv", sep=";"), rows_of(tmp_path, "d.tsv"), rows_of(tmp_path, "e.tsv.gz")):
        assert found == [{"q": "one, two", "n": 1}]


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    """Also one that has the length of the old one."""
    file = tmp_path / "a.csv"
    file.write_text("q\none\n")
    assert rows_of(tmp_path, "a.csv") == [{"q": "one"}]
    file.write_text("q\ntwo\n")
    os.utime(file, ns=(1, 1))
    assert rows_of(tmp_path, "a.csv") == [{"q": "two"}]
    assert rows_of(tmp_path, "a.csv", names=["x"]) == [{"x": "q"}, {"x": "two"}]


def test_values_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'q,n\n"one,1\n')
    with pytest.raises(DataError, match=r"^a\.csv: cannot be read as csv \(.+\): mend .*a\.csv, or copy it anew$") as raised:
        rows_of(tmp_path, "a.csv")
    assert "\n" not in str(raised.value)


def test_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    assert rows_of(tmp_path, "a.txt") == [{"text": "one"}, {"text": "two"}]


def test_parquet_files_one_after_the_other(tmp_path: Path) -> None:
    for number in (2, 1):
        pq.write_table(pa.table({"n": [number, 10 * number]}), tmp_path / f"{number}.parquet")
    assert rows_of(tmp_path, "2.parquet", "1.parquet") == [{"n": 2}, {"n": 20}, {"n": 1}, {"n": 10}]


def test_files_of_several_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^files of several formats hold one split: a\.csv, a\.json"):
        rows_of(tmp_path, "a.csv", "a.json")
