"""data.lock keeps the commits that were read."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gemma_eval.errors import ConfigError
from gemma_eval.hub.lock import DataLock

FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEMMA_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "there" / "data.lock"


def write(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value))


def test_pins_are_kept_sorted_and_moved(file: Path) -> None:
    lock = DataLock(file)
    assert lock.commit("b/b") is None
    lock.pin("b/b", FIRST)
    lock.pin("a/a", FIRST)
    assert file.read_text() == json.dumps({"schema": 1, "datasets": {"a/a": FIRST, "b/b": FIRST}}, indent=1) + "\n"
    assert DataLock(file).commit("a/a") == FIRST
    DataLock(file).pin("a/a", SECOND)
    assert DataLock(file).commit("a/a") == SECOND
    assert [path.name for path in file.parent.iterdir()] == ["data.lock"]


def test_a_pin_that_is_there_writes_nothing(file: Path) -> None:
    write(file, {"schema": 1, "datasets": {"a/a": FIRST}})
    before = file.stat().st_mtime_ns
    DataLock(file).pin("a/a", FIRST)
    assert file.stat().st_mtime_ns == before


def test_without_a_file_nothing_is_kept() -> None:
    lock = DataLock(None)
    lock.pin("a/a", FIRST)
    assert lock.commit("a/a") is None


def test_two_writers_keep_each_others_pins(file: Path) -> None:
    one, other = DataLock(file), DataLock(file)
    one.pin("a/a", FIRST)
    other.pin("b/b", SECOND)
    one.pin("c/c", FIRST)
    assert json.loads(file.read_text())["datasets"] == {"a/a": FIRST, "b/b": SECOND, "c/c": FIRST}


def test_many_threads(file: Path) -> None:
    locks = [DataLock(file), DataLock(file)]
    repos = [f"org/{number:02}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: locks[number % 2].pin(repos[number], FIRST), range(24)))
    assert json.loads(file.read_text())["datasets"] == dict.fromkeys(repos, FIRST)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not a data.lock ("),
        ('{"schema": 1, "datasets": {"a/a"', "not a data.lock ("),
        ("[]", "not a data.lock ("),
        ({"schema": 1}, "not a data.lock ('datasets')"),
        ({"schema": 1, "datasets": ["a/a"]}, "not a data.lock ("),
        ({"schema": 1, "datasets": {"a/a": "main"}}, "a/a: 'main' is not a commit of 40 hex digits: mend it"),
        ({"schema": 1, "datasets": {"a/a": None}}, "a/a: None is not a commit"),
        ({"schema": 2, "datasets": {}}, "has schema 2, which a newer version wrote: update gemma_eval"),
    ],
)
def test_a_damaged_file_is_named(file: Path, content: object, said: str) -> None:
    write(file, content)
    with pytest.raises(ConfigError) as raised:
        DataLock(file)
    assert str(raised.value).startswith(f"{file}: {said}")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_text(file: Path) -> None:
    write(file, "")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"not a data\.lock"):
        DataLock(file)


def test_a_place_that_cannot_be_written_is_said_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.parent.write_text("a file where the folder should be")
    lock = DataLock(file)
    with caplog.at_level(logging.WARNING):
        lock.pin("a/a", FIRST)
        lock.pin("b/b", FIRST)
    (said,) = caplog.messages
    assert said.startswith(f"{file}: cannot be written (")
    assert said.endswith("commits are recorded with the run alone")
