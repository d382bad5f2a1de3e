"""A disk that fails is told in one line: which file, why, and which setting chooses another place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.errors import DiskError
from gemma_eval.runtime.disk import FULL_OR_BROKEN, MENDS, check_writable, disk_error, naming, refusing
from gemma_eval.runtime.files import replace_text

NAMED = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.ENAMETOOLONG)


@given(st.sampled_from(sorted(MENDS)), st.sampled_from([None, "a/file", b"a/file"]))
def test_every_error_of_a_disk_is_one_line(number: int, file: str | bytes | None) -> None:
    told = disk_error(OSError(number, os.strerror(number), file))
    assert told is not None
    assert str(told).startswith(f"{'a/file' if file else 'a file'}: {os.strerror(number)}") and "\n" not in str(told)


@pytest.mark.parametrize("number", NAMED)
def test_the_common_ones_are_among_them(number: int) -> None:
    assert disk_error(OSError(number, "any words")) is not None


@pytest.mark.parametrize("error", [KeyError("x"), ConnectionResetError(errno.ECONNRESET, "x"), FileNotFoundError(errno.ENOENT, "no", "x")])
def test_other_errors_are_bugs(error: Exception) -> None:
    assert disk_error(error) is None


def test_a_full_disk_is_found_under_the_errors_of_libraries() -> None:
    wrapped = RuntimeError("cannot write")
    wrapped.__cause__ = OSError(errno.ENOSPC, "full", "cache/x")
    for error in (wrapped, RuntimeError("I/O error: No space left on device (os error 28)"), ValueError("[Errno 28] Error writing bytes")):
        assert "No space left on device; free some space" in str(disk_error(error))
    misread = KeyError("x")
    misread.__context__ = OSError(errno.EACCES, "no", "y")
    assert disk_error(misread) is None, "a bug while another error was handled is still a bug"


@pytest.mark.parametrize("variable", ["GEMMA_EVAL_CACHE", "HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "TMPDIR"])
def test_the_setting_that_moves_a_folder_is_named(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    told = disk_error(OSError(errno.ENOSPC, "full", str(tmp_path / "a" / "b")), {"results=FOLDER": tmp_path / "c"})
    assert str(told).endswith(f"; choose another place with {variable}")
    told = disk_error(OSError(errno.ENOSPC, "full", str(tmp_path / "c" / "b")), {"results=FOLDER": tmp_path / "c"})
    assert str(told).endswith("; choose another place with results=FOLDER")


def test_a_nameless_error_gets_a_name(tmp_path: Path) -> None:
    with pytest.raises(OSError) as raised, naming(tmp_path):
        raise OSError(errno.ENOSPC, "full")
    assert raised.value.filename == str(tmp_path)
    with pytest.raises(OSError) as raised, naming(tmp_path):
        raise OSError(errno.ENOSPC, "full", "other")
    assert raised.value.filename == "other"


@pytest.mark.parametrize("name", ["file", "file/below", "n" * 300, "file/a/b"])
def test_what_cannot_be_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match=r"; choose another place with results=FOLDER$") as refused:
        check_writable(tmp_path / name, "results=FOLDER")
    assert str(refused.value).startswith(f"{tmp_path / name}: ")
    with pytest.raises(OSError) as raised:
        replace_text(tmp_path / name / "scores.json", "")
    assert disk_error(raised.value) is not None and "scores.json" in str(disk_error(raised.value))


def test_a_folder_that_can_be_written_is_not_left_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "run", "results=FOLDER")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "here").mkdir()
    check_writable(tmp_path / "here", "results=FOLDER")
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_any_error_of_an_output_is_the_users(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"/f: No such file or directory; choose another place with -o$"), refusing(tmp_path / "f", "-o"):
        raise FileNotFoundError(errno.ENOENT, "no")


def test_only_a_disk_that_is_full_or_broken_is_looked_for_in_words() -> None:
    assert set(FULL_OR_BROKEN) < set(MENDS) and errno.EEXIST not in FULL_OR_BROKEN
