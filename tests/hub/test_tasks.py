"""Every task reads its rows from the Hub: few requests, only the files that it needs, and the same rows without the network."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from gemma_eval.data.dataset import DatasetRef
from gemma_eval.task.registry import registry
from tests.hub.log import LoggedRequest
from tests.hub.reading import Built, by_start, read, read_each
from tests.hub.repositories import UNREAD, add_benchmarks, references
from tests.hub.server import LocalHub

TASKS = {name: 2 for name in registry() if not name.startswith("ruler") and name != "spatialsense"}
"""All tasks with a limit of two items, but those that need a tokenizer, and the one that is not on the Hub."""

UNPINNED = {name: limit for name, limit in TASKS.items() if not registry()[name]().dataset.pinned}

REAL = ("piqa", "boolq", "ifeval", "social_iqa", "indicgenbench_xquad", "mgsm", "wmt24pp", "blink")
OWN = "vikhyatk/CountBenchQA"  # a repository that no page pins


@dataclass(frozen=True)
class Machine:
    """What all tasks made of their rows on one machine, start after start, and what the Hub was asked."""

    cold: dict[str, Built]
    locked: dict[str, Built]  # with the data.lock of the cold start
    warm: dict[str, Built]  # without data.lock; the tasks of which a page pins no commit
    offline: dict[str, Built]
    closed: dict[str, Built]  # online, but the Hub is away
    logs: dict[str, list[LoggedRequest]]  # by start, such as "cold"
    lock: Path
    commits: dict[str, str]  # the newest on the Hub, by repository


@pytest.fixture(scope="module")
def machine(sample_repositories: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    home = tmp_path_factory.mktemp("machine")
    lock = home / "data.lock"
    with LocalHub() as hub:
        add_benchmarks(hub, sample_repositories)

        settings = {"limits": TASKS, "lock": lock}
        cold, locked, warm = read_each(hub, home, settings, settings, {"limits": UNPINNED})
        offline = read(hub, home, TASKS, offline=True)
        logs = dict(zip(("cold", "locked", "warm", "offline"), by_start(hub.log), strict=True))
        commits = {repo: repository.head for (_, repo), repository in hub.repositories.items()}
        hub.close()
        closed = read(hub, home, TASKS)
    return Machine(cold, locked, warm, offline, closed, logs, lock, commits)


def reads() -> list[tuple[DatasetRef, str]]:
    """What the tasks read: references and splits."""
    return [(read.ref, read.split) for name in TASKS for read in registry()[name]().reads()]


def repo_of(request: LoggedRequest) -> str:
    parts = request.path.split("?")[0].removeprefix("/api").removeprefix("/cdn").removeprefix("/datasets").split("/")
    return "/".join(parts[1:3])


def test_every_task_builds(machine: Machine) -> None:
    assert len(TASKS) > 50
    for name, built in machine.cold.items():
        assert "error" not in built, built["error"]
        assert len(built["ids"]) >= 2
        assert not built["missing"]
        commits = built["provenance"]["commits"]
        assert commits == {repo: machine.commits[repo] for repo in commits}
        assert set(commits) == set(registry()[name]().dataset.repos())


@pytest.mark.parametrize("start", ["locked", "warm", "offline", "closed"])
def test_later_starts_read_the_same(machine: Machine, start: str) -> None:
    """Samples, prompts with exemplars and images, rows and commits."""
    again = getattr(machine, start)
    assert again == {name: machine.cold[name] for name in again}
    assert len(again) == len(UNPINNED if start == "warm" else TASKS)


def test_requests_of_a_cold_start(machine: Machine) -> None:
    """For each repository at most three, and two for each file."""
    requests = Counter(map(repo_of, machine.logs["cold"]))
    files = {repo: set[str]() for repo in requests}
    for request in machine.logs["cold"]:
        if request.part == "resolve" and not request.path.endswith("README.md"):
            files[repo_of(request)].add(request.path)
    assert set(requests) == {repo for ref, _ in reads() for repo in ref.repos()}
    for repo, count in requests.items():
        assert count <= 3 + 2 * len(files[repo]), repo
    assert len(machine.logs["cold"]) < 1000  # of the 3,000 that the Hub allows in five minutes


def test_a_cold_start_fetches_the_splits_that_are_read_and_nothing_else(machine: Machine) -> None:
    splits: dict[str, set[str]] = {}
    for ref, split in reads():
        for repo in ref.repos():
            splits.setdefault(repo, {"README.md"}).add("dev" if ref.files and split == "validation" else split)
    for request in machine.logs["cold"]:
        assert UNREAD not in request.path
        if request.part != "api":
            assert any(split in request.path.rpartition("/")[2] for split in splits[repo_of(request)]) or "ECLeKTic" in request.path, (
                request
            )


def test_requests_of_later_starts(machine: Machine) -> None:
    """A commit that is known needs none. The newest one of a repository needs one."""
    pinned = {repo for ref, _ in references() if ref.pinned for repo in ref.repos()}
    newest = {repo for ref, _ in reads() for repo in ref.repos()} - pinned
    assert newest
    assert [str(request) for request in machine.logs["locked"]] == []
    assert Counter(map(repo_of, machine.logs["warm"])) == dict.fromkeys(newest, 1)
    assert [str(request) for request in machine.logs["offline"]] == []


def test_the_lock_holds_every_commit(machine: Machine) -> None:
    kept = json.loads(machine.lock.read_text())["datasets"]
    assert kept == {repo: machine.commits[repo] for ref, _ in reads() for repo in ref.repos()}


def test_a_second_machine_with_the_lock_reads_the_old_commit(benchmark_hub: LocalHub, tmp_path: Path) -> None:
    repository = benchmark_hub.repository("datasets", OWN)
    old = repository.head
    lock = tmp_path / "data.lock"
    first = read(benchmark_hub, tmp_path / "first", {"countbenchqa": 2}, lock=lock)
    (name,) = (name for name in repository.commits[old] if "test" in name)
    changed = pd.read_parquet(repository.commits[old][name].path)
    changed["question"] = changed["question"] + " Please count."
    changed.to_parquet(tmp_path / "changed.parquet")
    new = repository.commit({name: tmp_path / "changed.parquet"})

    limits = {"countbenchqa": 2}
    second, newest = read_each(benchmark_hub, tmp_path / "second", {"limits": limits, "lock": lock}, {"limits": limits})
    assert second == first
    assert first["countbenchqa"]["provenance"]["commits"] == {OWN: old}
    without = newest["countbenchqa"]
    assert without["provenance"]["commits"] == {OWN: new}
    assert without["provenance"]["rows_sha256"] != first["countbenchqa"]["provenance"]["rows_sha256"]
    moved = read(benchmark_hub, tmp_path / "first", {"countbenchqa": 2}, lock=lock, update=True)["countbenchqa"]
    assert moved == without
    assert json.loads(lock.read_text())["datasets"] == {OWN: new}


@pytest.mark.data
def test_real_repositories(hub: LocalHub, data_root: Path, tmp_path: Path) -> None:
    """Rows of the Hub, online and offline, are those of a local folder."""
    add_benchmarks(hub, data_root)
    there = {name for _, name in hub.repositories}
    tasks = {name: 3 for name in REAL if name in registry() and set(registry()[name]().dataset.repos()) <= there}
    assert len(tasks) > 3
    online = read(hub, tmp_path, tasks)
    assert read(hub, tmp_path, tasks, offline=True) == online
    assert by_start(hub.log)[1] == []
    folder = read(hub, tmp_path, tasks, root=data_root)
    for name in tasks:
        assert "error" not in online[name], online[name]
        for key in ("ids", "prompts", "size"):
            assert online[name][key] == folder[name][key], (name, key)
        assert online[name]["provenance"]["rows_sha256"] == folder[name]["provenance"]["rows_sha256"]
