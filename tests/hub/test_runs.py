"""A run that is started again reads the rows that it read before, whatever the Hub has by then, unless it is told to move on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import Provenance
from tests.hub.commands import Done, folder, gemma_eval
from tests.hub.server import LocalHub

PIQA, BOOLQ = "baber/piqa", "google/boolq"
ROWS = "data/validation-00000-of-00001.parquet"
NEWEST = [f"tasks.{task}.dataset.pinned=''" for task in ("piqa", "boolq")]  # as of a page that pins no commit


def changed_rows(original: Path, target: Path) -> Path:
    """A copy of PIQA's rows: the first one has another goal, and two new ones stand in place of the last one."""
    table = pq.read_table(original)
    rows = table.to_pylist()
    rows[0] = {**rows[0], "goal": "How to test a change?"}
    rows = [*rows[:-1], {**rows[1], "goal": "How to add a row?"}, {**rows[2], "goal": "How to add another?"}]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), target)
    return target


class Runs:
    """A user's runs of PIQA and BoolQ with a tiny model."""

    def __init__(self, home: Path, model: Path) -> None:
        self.home = home
        self._settings = ["model=local", f"model.path={model}", "backend.device=cpu", "suite=piqa,boolq"]

    def start(self, hub: LocalHub, name: str, *settings: str, offline: bool = False) -> Done:
        return gemma_eval(hub, self.home, "run", *self._settings, f"run={name}", *settings, offline=offline)

    def data(self, hub: LocalHub, action: str, name: str, *settings: str) -> Done:
        return gemma_eval(hub, self.home, "data", action, *self._settings, f"run={name}", *settings)

    def state(self, name: str) -> dict[str, Any]:
        """What a run has: manifest and scores as they are written, where its rows came from, and its answers."""
        run = folder(self.home) / "results" / name
        texts = {file: (run / file).read_text() for file in ("manifest.json", "scores.json")}
        answers = {file.name: file.read_text() for file in sorted((run / "records").iterdir())}
        return {**texts, **answers, "datasets": json.loads((run / "environment.json").read_text())["datasets"]}

    def rows(self, name: str, task: str) -> Provenance:
        """Where the rows of a task came from."""
        return RunDir(folder(self.home) / "results" / name).environment.datasets[task]

    @property
    def lock(self) -> Path:
        return folder(self.home) / "data.lock"


@pytest.fixture
def runs(home: Path, tiny_gemma: Path) -> Runs:
    return Runs(home, tiny_gemma)


def test_a_finished_run_keeps_its_commits_until_it_is_told_to_move_on(
    benchmark_hub: LocalHub, runs: Runs, sample_repositories: Path, tmp_path: Path
) -> None:
    hub = benchmark_hub
    piqa, boolq = hub.repository("datasets", PIQA), hub.repository("datasets", BOOLQ)
    old = piqa.head
    decoy = folder(runs.home) / PIQA  # `datasets` would read it in place of the Hub
    decoy.mkdir(parents=True)
    (decoy / "validation.jsonl").write_text('{"goal": "decoy", "sol1": "a", "sol2": "b", "label": 0}\n')

    first = runs.start(hub, "kept", *NEWEST)
    assert first.code == 0, first.err
    before = runs.state("kept")
    assert (runs.rows("kept", "piqa").commits, runs.rows("kept", "piqa").revision) == ({PIQA: old}, old)
    assert runs.rows("kept", "piqa").rows == 12
    assert "decoy" not in before["piqa.jsonl"]
    assert json.loads(runs.lock.read_text()) == {"schema": 1, "datasets": {PIQA: old, BOOLQ: boolq.head}}

    new = piqa.commit({ROWS: changed_rows(sample_repositories / PIQA / ROWS, tmp_path / "changed.parquet")})
    runs.lock.unlink()
    listed = runs.data(hub, "list", "kept", *NEWEST)
    assert (old[:12] in listed.out, new[:12] in listed.out) == (True, False), listed.out
    runs.lock.unlink()
    hub.log.clear()
    again = runs.start(hub, "kept", *NEWEST)
    assert (again.code, runs.state("kept")) == (0, before)
    assert len(hub.log) == 0
    assert json.loads(runs.lock.read_text())["datasets"] == {PIQA: old, BOOLQ: boolq.head}

    shutil.rmtree(runs.home / "huggingface" / "hub" / "datasets--google--boolq")
    shutil.rmtree(runs.home / "gemma_eval" / "hub" / "datasets--google--boolq")
    offline = runs.start(hub, "kept", *NEWEST, offline=True)
    assert offline.code == 3
    why = "HF_HUB_OFFLINE is set, and its files are not in the cache: connect once, or point data.root at a local copy"
    assert offline.missing == {"boolq": f"skipped: {BOOLQ}: {why}"}
    assert runs.state("kept") == before

    update = runs.start(hub, "kept", *NEWEST, "data.update=true")
    assert update.code == 0, update.err
    moved = f"{PIQA} moved from {old[:12]} to {new[:12]}: split validation: 1 row added, 2 rows changed"
    assert moved in update.err.splitlines()
    after = runs.state("kept")
    assert runs.rows("kept", "piqa").commits == {PIQA: new}
    assert {name: found for name, found in after["datasets"].items() if name != "piqa"} == {"boolq": before["datasets"]["boolq"]}
    asked, earlier = (dict(json.loads(state["manifest.json"])["tasks"]["piqa"]["samples"]) for state in (after, before))
    assert {name for name in asked if asked[name] != earlier.get(name)} == {"0", "11", "12"}
    assert json.loads(after["scores.json"])["tasks"]["piqa"]["n"] == 13
    assert json.loads(runs.lock.read_text())["datasets"] == {PIQA: new, BOOLQ: boolq.head}


def test_rows_of_a_mirror_and_of_a_folder(benchmark_hub: LocalHub, runs: Runs, tmp_path: Path) -> None:
    hub = benchmark_hub
    head = hub.repository("datasets", PIQA).head
    mirror = tmp_path / "mirror"
    exported = gemma_eval(hub, runs.home, "data", "export", str(mirror), "model=local", "model.path=none", "suite=piqa,boolq")
    assert exported.code == 0, exported.err
    hub.close()
    root = f"data.root={mirror}"
    first = runs.start(hub, "carried", root)
    assert first.code == 0, first.err
    found = runs.rows("carried", "piqa")
    assert (found.source, found.commits, found.revision, found.rows) == ("folder", {PIQA: head}, head, 12)
    before = runs.state("carried")

    (mirror / "mirror.json").unlink()  # now it is any folder
    changed_rows(mirror / PIQA / ROWS, tmp_path / "changed.parquet").replace(mirror / PIQA / ROWS)
    again = runs.start(hub, "carried", root)
    assert again.code == 3 and again.missing.keys() == {"piqa"}
    changed = f"the rows of {PIQA} have changed since this run's earlier start: 12 rows of {head} then, 13 rows of local folder now."
    assert changed in again.missing["piqa"]
    kept = runs.state("carried")
    assert {**kept, "datasets": kept["datasets"]["piqa"]} == {**before, "datasets": before["datasets"]["piqa"]}

    update = runs.start(hub, "carried", root, "data.update=true")
    assert update.code == 0, update.err
    found = runs.rows("carried", "piqa")
    assert (found.commits, found.revision, found.rows) == ({}, "local folder", 13)
    assert json.loads(runs.state("carried")["scores.json"])["tasks"]["piqa"]["n"] == 13


def test_a_lock_file_is_shared(benchmark_hub: LocalHub, home: Path, sample_repositories: Path, tmp_path: Path) -> None:
    hub = benchmark_hub
    old = hub.repository("datasets", PIQA).head
    hub.repository("datasets", PIQA).commit({ROWS: changed_rows(sample_repositories / PIQA / ROWS, tmp_path / "changed.parquet")})
    (folder(home) / "data.lock").write_text(json.dumps({"schema": 1, "datasets": {PIQA: old}}))
    listed = gemma_eval(hub, home, "data", "list", "model=local", "model.path=none", "suite=piqa", "tasks.piqa.dataset.pinned=''")
    assert listed.code == 0 and old[:12] in listed.out
    assert [request.status for request in hub.log.select(f"revision/{old}")] == [200]
