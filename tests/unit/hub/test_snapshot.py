"""What is known of a repository without the Hub."""

from __future__ import annotations

import json

import pytest

from gemma_eval.errors import HubAwayError
from gemma_eval.hub.connection import connection
from gemma_eval.hub.partial import PartialFile
from gemma_eval.hub.snapshot import HubFile, cached_snapshot, is_commit, kept_folder, open_snapshot, read_small, repository_cache
from tests.unit.hub.conftest import FIRST, REPO, SECOND, Cached


def test_a_commit_that_was_listed_needs_no_hub(cached: Cached) -> None:
    snapshot = cached({"README.md": b"text", "data/a.parquet": b"1234"}, absent=("data/a.parquet",))
    assert open_snapshot(connection(), REPO, "dataset", FIRST) == snapshot
    assert snapshot.local("README.md") == snapshot.folder / "README.md"
    assert snapshot.local("data/a.parquet") is None
    with pytest.raises(HubAwayError, match=f"^{REPO}: HF_HUB_OFFLINE is set, and its files are not in the cache: .*data.root"):
        open_snapshot(connection(), REPO, "dataset", SECOND)
    with pytest.raises(HubAwayError, match=r"model\.path=DIR"):
        open_snapshot(connection(), REPO, "model", FIRST)


def test_a_file_of_another_size_does_not_count(cached: Cached) -> None:
    snapshot = cached({"a.json": b"1234"})
    assert snapshot.local("a.json")
    (snapshot.folder / "a.json").write_bytes(b"12")
    assert snapshot.local("a.json") is None


def test_a_branch_is_where_the_cache_last_saw_it(cached: Cached) -> None:
    snapshots = {commit: cached({"a.json": commit.encode()}, commit) for commit in (FIRST, SECOND)}
    assert cached_snapshot(REPO, "dataset") is None
    refs = repository_cache(REPO, "dataset") / "refs"
    refs.mkdir()
    (refs / "main").write_text(SECOND)
    (refs / "v1").write_text(f"{FIRST}\n")
    assert cached_snapshot(REPO, "dataset") == open_snapshot(connection(), REPO, "dataset") == snapshots[SECOND]
    assert cached_snapshot(REPO, "dataset", "v1") == open_snapshot(connection(), REPO, "dataset", "v1") == snapshots[FIRST]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"files": {"a.json": 1}}', '{"files": {}}'])
def test_without_a_sound_listing_the_files_in_the_cache_count(cached: Cached, damage: str) -> None:
    """Another program may have fetched them."""
    cached({"data/a.json": b"1234", "b.json": b"12"}, absent=("b.json",))
    (kept_folder(REPO, "dataset") / f"{FIRST}.json").write_text(damage)
    found = open_snapshot(connection(), REPO, "dataset", FIRST)
    assert (found.files, found.whole) == ({"data/a.json": HubFile(4)}, False)


def test_a_small_text_keeps_the_ends_of_its_lines(cached: Cached) -> None:
    snapshot = cached({"README.md": b"one\r\ntwo\n\xe2\x80\xa8"})
    assert read_small(connection(), snapshot, "README.md") == "one\r\ntwo\n\u2028"


@pytest.mark.parametrize(("revision", "full"), [(FIRST, True), ("main", False), (None, False), (FIRST[:12], False), ("G" * 40, False)])
def test_full_hashes_are_commits(revision: str | None, full: bool) -> None:
    assert is_commit(revision) is full


@pytest.mark.parametrize("damage", ["{", "[]", json.dumps({"size": 3, "have": [[0, 2]]}), json.dumps({"size": 4, "have": [0]})])
def test_a_damaged_index_of_ranges_counts_as_none(cached: Cached, damage: str) -> None:
    snapshot = cached({"a.bin": b"1234"}, absent=("a.bin",))
    source = kept_folder(REPO, "dataset") / "source"
    source.write_bytes(b"1234")
    PartialFile.adopt(snapshot, "a.bin", source, [(0, 2)])
    part = PartialFile(connection(), snapshot, "a.bin")
    assert (part.have(), part.bytes_here, part.missing_bytes([(1, 4)])) == ([(0, 2)], 2, 2)
    part.path.with_name("a.bin.ranges.json").write_text(damage)
    assert part.have() == []
    with pytest.raises(HubAwayError, match=r"the cache has a\.bin only in part, for the rows of another limit or seed"):
        part.ensure([(0, 2)])


def test_ranges_of_a_file_that_was_deleted_are_gone(cached: Cached) -> None:
    snapshot = cached({"a.bin": b"1234"}, absent=("a.bin",))
    source = kept_folder(REPO, "dataset") / "source"
    source.write_bytes(b"1234")
    PartialFile.adopt(snapshot, "a.bin", source, [(0, 4)])
    part = PartialFile(connection(), snapshot, "a.bin")
    part.path.unlink()
    assert part.have() == []
