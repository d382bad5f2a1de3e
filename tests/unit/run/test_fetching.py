"""What is said, refused and fetched before a run. These tests are offline: whatever is asked of the Hub is an error."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from gemma_eval.data.hub_source import HubSource
from gemma_eval.data.sources import SampleSource
from gemma_eval.errors import HubAwayError, HubError
from gemma_eval.hub.download import Wanted
from gemma_eval.hub.refusals import Kind
from gemma_eval.hub.snapshot import HubFile, Snapshot
from gemma_eval.run.fetching import Needed, fetch_needed, needed, showing
from tests.settings import compose

COMMIT = "c" * 40
LOCAL = ("model=local", "model.path=none", "suite=piqa")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub, and one of this program."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("GEMMA_EVAL_CACHE", str(tmp_path / "gemma_eval"))
    return tmp_path / "hub"


def wanted(repo: str, kind: Kind = "dataset", **files: int) -> Wanted:
    """All files of a repository, by name and size."""
    snapshot = Snapshot(repo, kind, COMMIT, {name: HubFile(size) for name, size in files.items()})
    return Wanted(snapshot, tuple(files))


def put(one: Wanted, name: str) -> None:
    """Put a file into the cache."""
    file = one.snapshot.folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(one.snapshot.files[name].size))


class TestSummary:
    def test_of_model_and_data(self) -> None:
        model = wanted("google/gemma-3-4b-pt", "model", weights=8_600_000_000)
        found = Needed([wanted("a/b", rows=490_000), wanted("c/d", rows=179_000_000)], [model])
        assert found.missing_size == 8_779_490_000
        said = "8.6 GB of weights and tokenizer to fetch (google/gemma-3-4b-pt); 179 MB of data to fetch (2 repositories)"
        assert found.summary() == f"from the Hub: {said}"

    def test_what_is_in_the_cache(self) -> None:
        data = wanted("a/b", first=3000, second=5000)
        put(data, "first")
        assert Needed([data], []).summary() == "from the Hub: 5 kB of data to fetch (a/b, 3 kB in the cache)"

    def test_files_that_several_tasks_read_count_once(self) -> None:
        every = wanted("a/b", one=1, two=2, three=4)
        reads = [replace(every, names=("one", "two")), replace(every, names=("two", "three"))]
        assert Needed(reads, []).missing_size == 7

    def test_files_that_are_fetched_in_part(self) -> None:
        assert Needed([], [], 12_000_000_000).summary().endswith("the rows that are drawn from image files of 12.0 GB")


class TestFetching:
    def test_nothing_is_said_if_all_is_here(self, caplog: pytest.LogCaptureFixture) -> None:
        data = wanted("a/b", rows=3000)
        put(data, "rows")
        fetch_needed(Needed([data], []), SampleSource())
        assert not caplog.records

    def test_a_disk_without_room_is_refused_before_anything_is_asked(self, caplog: pytest.LogCaptureFixture, cache: Path) -> None:
        with caplog.at_level(logging.WARNING), pytest.raises(HubError, match=r"1,000,000 GB are to be fetched, and .* are free") as refused:
            fetch_needed(Needed([wanted("a/b", rows=10**15)], []), SampleSource())
        assert str(refused.value).startswith(f"{cache}: ") and not isinstance(refused.value, HubAwayError)
        assert "1,000,000 GB of data to fetch (a/b)" in caplog.text

    def test_a_model_that_cannot_be_had_is_refused(self) -> None:
        with pytest.raises(HubAwayError, match=r"^google/x: HF_HUB_OFFLINE is set; weights is not in the cache$"):
            fetch_needed(Needed([], [wanted("google/x", "model", weights=5)]), SampleSource())

    def test_data_that_cannot_be_had_is_said_when_it_is_read(self) -> None:
        fetch_needed(Needed([wanted("a/b", rows=5)], []), HubSource())


class TestNeeded:
    def test_samples_and_a_local_model_need_nothing(self) -> None:
        assert needed(compose(*LOCAL, "data=samples"), SampleSource()) == Needed([], [])

    def test_data_that_cannot_be_had_is_left_out(self) -> None:
        assert needed(compose(*LOCAL), HubSource()).all == []

    def test_a_model_that_cannot_be_had_is_refused(self) -> None:
        config = compose("model=270m", "weights=bf16", "variant=pt", "suite=piqa")
        with pytest.raises(HubAwayError, match=r"^google/gemma-3-270m: HF_HUB_OFFLINE is set, and its files are not in the cache"):
            needed(config, HubSource())
        assert needed(config, HubSource(), model=False).model == []


def test_a_log_has_no_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with showing(100) as show:
        show(50)
    assert capsys.readouterr() == ("", "")
