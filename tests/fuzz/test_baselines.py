"""A damaged baseline: the gate and `compare` give the verdict of the whole one, or refuse it by name, and never end in a traceback."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gemma_eval.compare import load, save_baseline
from tests.damage import damaged_bytes
from tests.fuzz.outcomes import Outcome, run_command
from tests.runs import answers, generated, write_run

RIGHT = [i % 3 > 0 for i in range(40)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    texts = [generated("flores", str(number), "der Hund", ["der Hund bellt"]) for number in range(4)]
    run = write_run(folder / "run", {"piqa": answers(RIGHT), "flores": texts})
    save_baseline(load(run), folder / "whole.json.gz")
    return run.path


@pytest.fixture
def judge(run: Path) -> Callable[..., Outcome]:
    """The outcome of a command with these bytes as the baseline."""
    file = run.parent / "baseline.json.gz"

    def outcome(content: bytes, command: str = "gate") -> Outcome:
        file.write_bytes(content)
        arguments = [str(run), "--baseline", str(file)] if command == "gate" else [str(file), str(run)]
        return run_command([command, *arguments])

    return outcome


def whole(run: Path) -> bytes:
    return gzip.decompress((run.parent / "whole.json.gz").read_bytes())


def packed(document: Any) -> bytes:
    return gzip.compress(json.dumps(document).encode())


@settings(deadline=None, max_examples=60, phases=[Phase.explicit, Phase.generate])
@given(data=st.data(), command=st.sampled_from(["gate", "compare"]))
def test_a_damaged_document(run: Path, data: st.DataObject, command: str) -> None:
    file = run.parent / "damaged.json.gz"
    file.write_bytes(gzip.compress(data.draw(damaged_bytes(whole(run)))))
    found = run_command([command, *([str(run), "--baseline", str(file)] if command == "gate" else [str(file), str(run)])])
    found.check()
    assert found.refused or "nan" not in found.printed


@settings(deadline=None, max_examples=60, phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_damaged_bytes_of_the_packed_file(run: Path, data: st.DataObject) -> None:
    """gzip keeps a checksum: the verdict is that of the whole file, or there is none."""
    content = (run.parent / "whole.json.gz").read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    changed = data.draw(st.sampled_from([content[:place], content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :]]))
    file = run.parent / "damaged.json.gz"
    file.write_bytes(changed)
    found = run_command(["gate", str(run), "--baseline", str(file)])
    found.check()
    assert found.code == 3 or found.printed.splitlines()[2:] == verdict(run).splitlines()[2:]


def verdict(run: Path) -> str:
    return run_command(["gate", str(run), "--baseline", str(run.parent / "whole.json.gz")]).printed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a baseline"),
        (gzip.compress(b""), "not a baseline"),
        (b"{}", "not a baseline"),
        (gzip.compress(b"[]"), "not a baseline that this version reads"),
        (gzip.compress(b"[" * 100_000), "nested too deeply"),
        (gzip.compress(b'{"baseline": NaN}'), "NaN is not a number of JSON"),
    ],
)
def test_what_is_no_baseline(judge: Callable[..., Outcome], content: bytes, message: str) -> None:
    assert judge(content).code == 3
    assert message in judge(content).told and judge(content, "compare").code == 1


def changed(document: Any, change: str) -> Any:
    piqa = document["tasks"]["piqa"]
    records = piqa["records"]
    match change:
        case "noise":
            del document["noise"]
        case "schema":
            document["schema"] = 99
        case "baseline":
            document["baseline"] = 99
        case "task":
            document["tasks"]["no_such_task"] = piqa
        case "plugin":
            document["plugins"] = ["no_such_file.py"]
            document["tasks"]["capitals"] = piqa
        case "twice":
            records[1] = records[0]
        case "empty":
            piqa["records"] = []
        case "response":
            del records[3]["response"]
        case "scores":
            records[3]["scores"] = {}
        case "type":
            records[3]["scores"]["acc_norm"] = "right"
        case "shape":
            records[3]["response"]["lengths"] = [1]
        case "infinite":
            records[3]["response"]["logprobs"][0] = 10**400
    return document


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("noise", "damaged: noise: Field required"),
        ("schema", "has schema 99, and this version of gemma_eval reads up to 1"),
        ("baseline", "schema 99, not 1"),
        ("task", "task 'no_such_task', which is not registered"),
        ("plugin", "task 'capitals', which is not registered"),
        ("twice", "piqa has item '0' twice"),
        ("empty", "piqa: no item was asked in the same words in both"),
        ("response", "a record of piqa (response: Field required)"),
        ("scores", "an item of piqa has no score"),
        ("type", "a record of piqa (scores.acc_norm.float: "),
        ("shape", "a record of piqa (response: its lists differ in length)"),
        ("infinite", "piqa"),
    ],
)
def test_what_is_wrong_is_named(run: Path, judge: Callable[..., Outcome], change: str, message: str) -> None:
    found = judge(packed(changed(json.loads(whole(run)), change)))
    found.check()
    assert found.code == 3 and message in found.told
