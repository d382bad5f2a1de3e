"""A mirror holds what was exported into it, at the commit that it names, and a machine that imports it has the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gemma_eval.errors import DataError
from gemma_eval.hub import mirror
from gemma_eval.hub.connection import connection
from gemma_eval.hub.download import Wanted
from gemma_eval.hub.partial import PartialFile, Range
from gemma_eval.hub.snapshot import HubFile, Snapshot, cached_snapshot
from tests.unit.hub.conftest import FIRST, REPO, SECOND, Cached

DATA = bytes(range(256)) * 40
NAME = "data/test.parquet"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


def part(snapshot: Snapshot, tmp_path: Path, ranges: list[Range], content: bytes = DATA) -> PartialFile:
    """A file that the cache has in part."""
    (tmp_path / "source").write_bytes(content)
    PartialFile.adopt(snapshot, NAME, tmp_path / "source", ranges)
    return PartialFile(connection(), snapshot, NAME)


def exported(root: Path, snapshot: Snapshot, *names: str, parts: list[PartialFile] | None = None) -> mirror.Mirrored:
    (found,) = mirror.export(root, [Wanted(snapshot, names)], parts or [])
    return found


def test_what_is_exported_is_imported(cached: Cached, caches: Callable[[str], None], root: Path) -> None:
    files = {"README.md": b"Data\r\nof tests\r\n", NAME: DATA, "data/unread.parquet": b"x" * 9}
    snapshot = cached(files, absent=("data/unread.parquet",))
    model = cached({"config.json": b"{}"}, kind="model")
    assert [one.kind for one in mirror.export(root, [Wanted(snapshot, (NAME,)), Wanted(model, ("config.json",))], [])] == [
        "dataset",
        "model",
    ]
    assert (root / REPO / "README.md").read_bytes() == files["README.md"]
    assert (root / "models" / REPO / "config.json").read_bytes() == b"{}"
    caches("second")
    assert cached_snapshot(REPO, "dataset") is None
    assert [one.repo for one in mirror.import_(root)] == [REPO, REPO]
    found = cached_snapshot(REPO, "dataset")
    assert found == snapshot
    assert found.folder != root
    assert {name for name in files if found.local(name)} == {"README.md", NAME}
    assert (found.folder / NAME).read_bytes() == DATA
    for one in mirror.read_index(root).repositories:
        assert list(mirror.damaged(one.files, one.folder(root), one.here)) == []


def test_an_import_keeps_the_newest_commit_that_is_known(cached: Cached, caches: Callable[[str], None], root: Path) -> None:
    exported(root, cached({NAME: DATA}), NAME)
    caches("second")
    main = cached({NAME: DATA[1:]}, SECOND).folder.parents[1] / "refs" / "main"
    main.parent.mkdir()
    main.write_text(SECOND)
    list(mirror.import_(root))
    assert main.read_text() == SECOND
    assert [cached_snapshot(REPO, "dataset", commit).commit for commit in (FIRST, None)] == [FIRST, SECOND]  # type: ignore[union-attr]


def test_parts_are_carried(cached: Cached, caches: Callable[[str], None], root: Path, tmp_path: Path) -> None:
    snapshot = cached({NAME: DATA}, absent=(NAME,))
    written = exported(root, snapshot, parts=[part(snapshot, tmp_path, [(0, 10), (5000, 6000)])])
    assert written.parts == {NAME: [(0, 10), (5000, 6000)]}
    assert written.here == []
    copy = (root / REPO / NAME).read_bytes()
    assert len(copy) == len(DATA)
    assert copy[5000:6000] == DATA[5000:6000]
    assert copy[10:5000] == bytes(4990)
    caches("second")
    list(mirror.import_(root))
    found = PartialFile(connection(), snapshot, NAME)
    assert found.have() == [(0, 10), (5000, 6000)]
    assert found.path.read_bytes() == copy


def test_a_later_export_adds_parts(cached: Cached, caches: Callable[[str], None], root: Path, tmp_path: Path) -> None:
    """Also from a machine that has other parts."""
    snapshot = cached({NAME: DATA}, absent=(NAME,))
    exported(root, snapshot, parts=[part(snapshot, tmp_path, [(0, 100)])])
    caches("second")
    cached({NAME: DATA}, absent=(NAME,))
    assert exported(root, snapshot, parts=[part(snapshot, tmp_path, [(50, 200), (900, 1000)])]).parts == {NAME: [(0, 200), (900, 1000)]}
    copy = (root / REPO / NAME).read_bytes()
    assert (copy[:200], copy[900:1000]) == (DATA[:200], DATA[900:1000])
    assert exported(root, snapshot).parts == {NAME: [(0, 200), (900, 1000)]}


def test_a_file_that_was_there_in_part_becomes_whole(cached: Cached, root: Path, tmp_path: Path) -> None:
    snapshot = cached({NAME: DATA})
    exported(root, snapshot, parts=[part(snapshot, tmp_path, [(0, 100)])])
    written = exported(root, snapshot, NAME)
    assert (written.here, written.parts) == ([NAME], {})
    assert (root / REPO / NAME).read_bytes() == DATA
    assert exported(root, snapshot, parts=[part(snapshot, tmp_path, [(0, 100)])]).here == [NAME]


def test_a_file_of_another_commit_is_replaced(cached: Cached, root: Path) -> None:
    """Also if it is as long as the new one."""
    exported(root, cached({NAME: DATA}), NAME)
    written = exported(root, cached({NAME: DATA[::-1]}, SECOND), NAME)
    assert written.commit == SECOND
    assert (root / REPO / NAME).read_bytes() == DATA[::-1]
    assert [one.commit for one in mirror.read_index(root).repositories] == [SECOND]


def test_damaged_files_are_named(tmp_path: Path) -> None:
    blob = hashlib.sha1(b"blob 4\0good").hexdigest()
    files = {name: HubFile(4, blob) for name in ("good", "bad", "gone")} | {"unknown": HubFile(4)}
    for name, content in (("good", b"good"), ("bad", b"baad"), ("unknown", b"good")):
        (tmp_path / name).write_bytes(content)
    good, *others = (list(mirror.damaged(files, tmp_path, [name])) for name in ("good", "bad", "gone", "unknown"))
    assert good == []
    assert [said.split(",")[0][:12] for (said,) in others] == ["bad: has has", "gone: missin", "unknown: the"]
    assert blob[:12] in others[0][0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "damaged ("),
        ("[]", "damaged ("),
        ('{"schema": 1, "repositories": [{"kind": "space"}]}', "damaged (repositories.0.kind: "),
        (json.dumps({"schema": 2, "repositories": []}), "has schema 2, which a newer version wrote"),
    ],
)
def test_a_damaged_index_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "mirror.json").write_text(content)
    with pytest.raises(DataError) as raised:
        mirror.read_index(tmp_path)
    assert str(raised.value).startswith(f"{tmp_path / 'mirror.json'}: {said}")


def test_a_folder_without_an_index_is_no_mirror(tmp_path: Path) -> None:
    assert mirror.read_index(tmp_path).repositories == []
    with pytest.raises(DataError, match=r"not a mirror \(no mirror\.json\)"):
        list(mirror.import_(tmp_path))
