"""What several processes of a run leave behind, how it is merged, and what is refused to them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gemma_eval.commands.main import main
from gemma_eval.errors import ConfigError, RunError
from gemma_eval.runtime.processes import Processes, this
from gemma_eval.store.merge import Arrivals, merge_parts
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import Record, ScoreResponse
from tests.settings import compose

RECORDS = [
    Record(str(i), "", "", "p", f"k{i}", ScoreResponse((-1.0 - i,), (1,), (True,)), {"gold": 0}, {"acc": float(i % 2)}) for i in range(4)
]


def ids(directory: RunDir) -> list[str]:
    return [json.loads(line)["id"] for line in directory.records_file("t").read_text().splitlines()]


@pytest.fixture
def directory(tmp_path: Path) -> RunDir:
    """A run of three processes, the last of which has scored what an earlier start had only answered."""
    run = RunDir(tmp_path)
    answered = replace(RECORDS[0], scores={})
    for rank, records in enumerate([[answered, RECORDS[1]], RECORDS[2:], [answered, RECORDS[0]]]):
        with run.part(rank).append("t") as out:
            for record in records:
                out.write(record)
        spent = {"prompt": 10, "computed": 5, "generated": 0, "seconds": 0.5, "methods": {f"way {rank % 2}": 1}}
        run.part(rank).write_json("usage.json", {"t": spent})
        run.part(rank).write_json("memory.json", {"host": 7 - rank, f"cuda:{rank}": 3})
    return run


def test_readers_see_the_records_of_all_processes(directory: RunDir) -> None:
    found = directory.found("t")
    assert found == {SampleKey(record.id, record.key): record for record in RECORDS}
    with directory.reading("t") as record:
        assert [record(entry) for entry in found] == list(found.values())
        merge_parts(directory)  # the reader goes on
        assert [record(entry) for entry in found] == list(found.values())


def test_merged_is_the_run_of_one_process(directory: RunDir) -> None:
    merge_parts(directory)
    assert not directory.parts() and not (directory.path / "processes").exists()
    assert directory.found("t") == {SampleKey(record.id, record.key): record for record in RECORDS}
    assert sorted(ids(directory)) == ["0", "0", "1", "2", "3"]  # an answer and its score
    assert directory.read_json("usage.json") == {
        "t": {"prompt": 30, "computed": 15, "generated": 0, "seconds": 1.5, "methods": {"way 0": 2, "way 1": 1}, "timed": True}
    }
    assert directory.read_json("memory.json") == {"host": 7, "cuda:0": 3, "cuda:1": 3, "cuda:2": 3}


def test_a_merge_that_was_cut_off_is_done_again(directory: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            merge_parts(directory)
    torn = directory.part(2).records_file("t")
    torn.write_bytes(torn.read_bytes()[:-5])
    merge_parts(directory)
    assert sorted(ids(directory)) == ["0", "1", "2", "3"]
    assert directory.read_json("usage.json")["t"]["prompt"] == 30


def test_what_a_process_still_writes_is_not_merged(directory: RunDir) -> None:
    with directory.part(1).lock(), pytest.raises(RunError, match="another process is writing"):
        merge_parts(directory)
    assert directory.part(1).records_file("t").is_file()


def test_arrivals_come_once_whole_and_scored(directory: RunDir) -> None:
    arrivals = Arrivals(directory)
    assert sorted(record.id for _, record in arrivals.new()) == ["0", "2", "3"]
    assert not list(arrivals.new())
    file = directory.part(1).records_file("t")
    line = json.dumps({**json.loads(file.read_text().splitlines()[0]), "id": "9"})
    for text, expected in ((line[:9], []), (line[9:], []), ("\n", [("t", "9")])):
        with file.open("a") as stream:
            stream.write(text)
        assert [(name, record.id) for name, record in arrivals.new()] == expected


def launched(monkeypatch: pytest.MonkeyPatch, rank: int) -> None:
    for name, value in {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 2}.items():
        monkeypatch.setenv(name, str(value))


def test_the_launcher_says_who_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert this() == Processes() and this().main and not this().several and this().exchange("x") == ["x"]
    launched(monkeypatch, 1)
    assert this() == Processes(1, 2, 2) and not this().main and this().several
    assert this().cores == max(1, Processes().cores // 2)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["backend=vllm", "backend.max_model_len=64"], r"backend=vllm scales in its own way \(backend.tensor_parallel_size"),
        (["backend=server"], r"backend=server scales in its own way \(backend.concurrency\)"),
        (["backend.device_map=auto"], r"backend.device_map=auto spreads one model over all GPUs"),
        (["backend.device=cuda:1"], r"backend.device=cuda:1: each of several processes takes a GPU of its own"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch, overrides: list[str], message: str) -> None:
    compose(*overrides)
    launched(monkeypatch, 0)
    compose()
    with pytest.raises(ConfigError, match=message):
        compose(*overrides)


@pytest.mark.parametrize("arguments", [["gate", "R", "--baseline", "B"], ["dashboard"], ["plan"], ["run", "-m", "limit=1,2"], []])
def test_only_a_run_is_launched_in_several_processes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    launched(monkeypatch, 1)
    assert main(arguments) == 1
    assert "process 1: error: only a single `gemma-eval run`" in capsys.readouterr().err
