"""With a limit, a large image split is fetched in part: its plain columns, and the images of the rows that are drawn."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.hub.faults import Fault
from tests.hub.log import RequestLog
from tests.hub.reading import Built, by_start, code, read, read_each
from tests.hub.repositories import Shape, add_benchmarks, write_enlarged
from tests.hub.server import LocalHub

SHAPE = Shape(row_group=8, file_rows=1000, noise=100_000)  # 0.8 MB of images in a row group
SPLIT = "/data/validation-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def enlarged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of repositories with large splits."""
    root = tmp_path_factory.mktemp("enlarged")
    write_enlarged(root, "vqav2", copies=20, shape=SHAPE)
    write_enlarged(root, "textvqa", copies=40, shape=SHAPE)
    return root


@pytest.fixture
def hub(enlarged: Path) -> Iterator[LocalHub]:
    with LocalHub() as hub:
        add_benchmarks(hub, enlarged)
        yield hub


def start(hub: LocalHub, home: Path, limit: int | None) -> subprocess.Popen[str]:
    """A process that reads the task and prints what it made of it."""
    program = f"import json\n{code({'limits': {'vqav2': limit}})}\nprint(json.dumps(value))"
    return subprocess.Popen([sys.executable, "-c", program], env=hub.environment(home), stdout=subprocess.PIPE, text=True)


@dataclass(frozen=True)
class Machine:
    """The same task of a few rows on two machines: one fetched the whole split, one a part of it."""

    whole: Built
    whole_bytes: int
    part: Built
    part_log: RequestLog
    part_bytes: int
    offline: Built
    other: Built  # of another seed


@pytest.fixture(scope="module")
def machine(enlarged: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    with LocalHub() as hub:
        add_benchmarks(hub, enlarged)
        read(hub, first, {"vqav2": None})
        whole_bytes = hub.log.sent(part="cdn")
        whole = read(hub, first, {"vqav2": 2}, offline=True)
        hub.log.clear()
        part = read(hub, second, {"vqav2": 2})
        part_log, hub.log = hub.log, RequestLog()
        offline = read_each(hub, second, *({"limits": {"vqav2": 2}, "seed": seed} for seed in (0, 7)), offline=True)
        assert by_start(hub.log) == [[], []]
    built = (found["vqav2"] for found in offline)
    return Machine(whole["vqav2"], whole_bytes, part["vqav2"], part_log, part_log.sent(part="cdn"), *built)


def test_bytes(machine: Machine, enlarged: Path) -> None:
    (split,) = enlarged.glob(f"*/VQAv2{SPLIT}")
    assert machine.whole_bytes == split.stat().st_size
    assert machine.part_bytes < 0.25 * machine.whole_bytes  # 6 of 40 row groups, and what is plain
    ranges = machine.part_log.select(part="cdn")
    assert all(request.range and request.path.endswith(SPLIT) for request in ranges)
    assert sum(request.status == 206 for request in ranges) == len(ranges)
    assert max(request.sent for request in ranges) < 0.1 * machine.whole_bytes


def test_images_rows_and_prompts_are_those_of_the_whole_split(machine: Machine) -> None:
    assert machine.part == machine.whole
    assert len(machine.part["ids"]) == 2
    assert machine.offline == machine.part


def test_other_rows_offline_are_one_clear_error(machine: Machine) -> None:
    assert machine.other["error"] == (
        "lmms-lab-encoder/VQAv2: HF_HUB_OFFLINE is set, and the cache has data/validation-00000-of-00001.parquet only in part, "
        "for the rows of another limit or seed: connect once, or use those"
    )


def test_most_of_a_split_is_fetched_whole(hub: LocalHub, enlarged: Path, home: Path, machine: Machine) -> None:
    """A limit that draws most row groups: once whole, with the plain columns before that."""
    built = read(hub, home, {"vqav2": 100})["vqav2"]
    assert len(built["ids"]) == 100
    (fetched,) = (request for request in hub.log.select("GET", part="cdn") if request.range is None)
    assert fetched.sent == machine.whole_bytes
    assert hub.log.sent(part="cdn") < 1.1 * machine.whole_bytes


def test_exemplars_of_another_split_need_few_row_groups(hub: LocalHub, enlarged: Path, home: Path) -> None:
    """Without a limit too: the scored split comes whole, and the exemplars' in part."""
    built = read(hub, home, {"textvqa": None})["textvqa"]
    assert "error" not in built
    (scored,) = enlarged.glob(f"*/textvqa{SPLIT}")
    (train,) = enlarged.glob("*/textvqa/data/train-*")
    assert hub.log.sent("/validation-", part="cdn") == scored.stat().st_size
    assert 0 < hub.log.sent("/train-", part="cdn") < 0.35 * train.stat().st_size
    assert not hub.log.sent("/unread-")


@pytest.mark.parametrize("limit", [2, None], ids=["part", "whole"])
def test_two_processes_on_an_empty_cache(hub: LocalHub, home: Path, machine: Machine, limit: int | None) -> None:
    with start(hub, home, limit) as first, start(hub, home, limit) as second:
        outputs = [child.communicate(timeout=100)[0] for child in (first, second)]
    assert outputs[0] == outputs[1]
    assert machine.part["provenance"]["rows_sha256"] in outputs[0]
    most = machine.part_bytes if limit else machine.whole_bytes
    assert hub.log.sent(part="cdn") < 1.1 * most  # nothing came twice


def test_a_hub_that_is_killed_midway(hub: LocalHub, enlarged: Path, home: Path, machine: Machine) -> None:
    """What came stays, and a later start fetches the rest."""
    hub.latency = 0.05
    with start(hub, home, 2) as child:
        while hub.log.count(part="cdn") < 25 and child.poll() is None:
            time.sleep(0.01)
        hub.close()
        output, _ = child.communicate(timeout=100)
    assert child.returncode == 0
    assert "the Hub cannot be reached" in output
    came = hub.log.sent(part="cdn")
    with LocalHub(port=hub.port) as again:
        add_benchmarks(again, enlarged)
        assert read(again, home, {"vqav2": 2})["vqav2"] == machine.part
        assert again.log.sent(part="cdn") <= machine.part_bytes - came / 2


def test_ranges_that_fail_are_asked_for_again(hub: LocalHub, home: Path, machine: Machine) -> None:
    """An address of a large file is signed for an hour; then it answers 403."""
    faults = {2: Fault("GET /cdn/", status=403), 9: Fault("GET /cdn/", hang=True), 12: Fault("GET /cdn/", drop=10)}
    hub.faults.add(
        *(replace(fault, skip=skip, times=1) for skip, fault in faults.items()), Fault("GET /cdn/", skip=15, times=1, status=503)
    )
    assert read(hub, home, {"vqav2": 2})["vqav2"] == machine.part
    assert {403, 503, 0} < {request.status for request in hub.log.select(part="cdn")}
