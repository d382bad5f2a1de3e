"""`gemma-eval data` as a user runs it: data and weights are listed, fetched ahead, checked, and carried to machines without network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.hub.commands import Done, gemma_eval
from tests.hub.models import add_model
from tests.hub.reading import Built, read
from tests.hub.repositories import Shape, add_benchmarks, write_enlarged
from tests.hub.server import READER, READER_TOKEN, STRANGER_TOKEN, LocalHub


@dataclass(frozen=True)
class Machine:
    """A machine with caches of its own, in the folder `home`."""

    hub: LocalHub
    home: Path

    def run(self, *arguments: str, code: int = 0, token: str | None = None, offline: bool = False) -> Done:
        """`gemma-eval data <arguments>`, which must end with this exit code. `token`, `offline`: see `LocalHub.environment`."""
        done = gemma_eval(self.hub, self.home, "data", *arguments, token=token, offline=offline)
        assert done.code == code, f"{done.out}{done.err}{self.hub.log}"
        return done


TASKS = ("piqa", "indicgenbench_xquad", "vqav2")  # parquet, JSON, and a large image split
LIMIT, SEED = 2, 5
DATA = (f"suite={','.join(TASKS)}", f"limit={LIMIT}", f"seed={SEED}")
MODEL = "google/gemma-3-4b-pt"
PIQA = "baber/piqa"
VQAV2 = "lmms-lab-encoder/VQAv2"


@pytest.fixture(scope="module")
def hub(sample_repositories: Path, tiny_vision: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    enlarged = tmp_path_factory.mktemp("enlarged")
    write_enlarged(enlarged, "vqav2", copies=16, shape=Shape(row_group=8, file_rows=1000, noise=100_000))
    with LocalHub() as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")  # of the tables that commands print
        add_benchmarks(hub, sample_repositories)
        add_benchmarks(hub, enlarged)
        add_model(hub, tiny_vision, "model=4b", "weights=bf16", "variant=pt").gate([READER])
        hub.repository("datasets", PIQA).gate([READER], public_readme=True)
        yield hub


@pytest.fixture(scope="module")
def settings(hub: LocalHub) -> tuple[str, ...]:
    """Data and a model, both at commits that are known."""
    return (*DATA, "model=4b", f"model.revision={hub.repository('models', MODEL).head}")


@pytest.fixture(scope="module")
def pulled(hub: LocalHub, settings: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine that has all that a run needs."""
    machine = Machine(hub, tmp_path_factory.mktemp("pulled"))
    hub.log.clear()
    done = machine.run("pull", *settings, token=READER_TOKEN)
    assert "in the cache: " in done.out
    assert hub.log.sent(part="cdn") > 0
    assert not hub.log.select("unread")
    return machine


@pytest.fixture(scope="module")
def online(pulled: Machine) -> dict[str, Built]:
    """What the tasks make of the rows that were pulled."""
    return rows(pulled)


@pytest.fixture(scope="module")
def mirror(pulled: Machine, settings: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror, exported without network."""
    folder = tmp_path_factory.mktemp("mirror")
    done = pulled.run("export", str(folder), *settings, offline=True)
    assert f"{VQAV2} at " in done.out and ", 1 in part" in done.out
    return folder


def rows(machine: Machine, **settings: Any) -> dict[str, Built]:
    """What the tasks make of their rows, without network."""
    found = read(machine.hub, machine.home, dict.fromkeys(TASKS, LIMIT), offline=True, seed=SEED, **settings)
    assert not [built for built in found.values() if "error" in built], found
    return found


def line(text: str, name: str) -> list[str]:
    """The cells of a repository's row in a printed table."""
    (found,) = (line for line in text.splitlines() if name in line)
    return found.split()


@contextmanager
def damaged(file: Path) -> Iterator[None]:
    """A file with one bit that is not as on the Hub."""
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    try:
        yield
    finally:
        file.write_bytes(whole)


def test_list_names_sizes_and_gates_and_fetches_nothing_large(hub: LocalHub, settings: tuple[str, ...], tmp_path: Path) -> None:
    hub.log.clear()
    done = Machine(hub, tmp_path).run("list", *settings, token=STRANGER_TOKEN, code=3)
    piqa = hub.repository("datasets", PIQA)
    assert line(done.out, VQAV2)[1] == "vqav2"
    assert hub.repository("datasets", VQAV2).head[:12] in line(done.out, VQAV2)
    assert line(done.out, VQAV2)[-2:] == ["no", "none"]
    assert piqa.head[:12] in line(done.out, PIQA)
    assert "not accepted" in " ".join(line(done.out, PIQA))
    assert "not accepted" in " ".join(line(done.out, MODEL))
    assert f"missing: {PIQA}: gated: accept its terms at https://huggingface.co/datasets/{PIQA}" in done.err
    assert f"missing: {MODEL}: gated: accept its terms at https://huggingface.co/{MODEL}" in done.err
    assert hub.log.count(part="cdn") == 0
    assert hub.log.sent() < 500_000


def test_a_gated_model_is_refused_before_data_are_fetched(hub: LocalHub, settings: tuple[str, ...], tmp_path: Path) -> None:
    hub.log.clear()
    done = Machine(hub, tmp_path).run("pull", *settings, token=STRANGER_TOKEN, code=1)
    assert f"error: {MODEL}: gated: accept its terms" in done.err
    assert hub.log.count(part="cdn") == 0


def test_a_second_pull_makes_no_request(pulled: Machine, settings: tuple[str, ...]) -> None:
    pulled.hub.log.clear()
    done = pulled.run("pull", *settings, token=READER_TOKEN)
    assert "in the cache: " in done.out
    assert str(pulled.hub.log) == ""
    listed = pulled.run("list", *settings, token=READER_TOKEN)
    assert line(listed.out, PIQA)[-2:] == ["yes", "accepted"]
    assert line(listed.out, MODEL)[-2:] == ["yes", "accepted"]


def test_verify_names_a_damaged_file(pulled: Machine, settings: tuple[str, ...]) -> None:
    (file,) = pulled.home.glob(f"huggingface/hub/datasets--{PIQA.replace('/', '--')}/snapshots/*/data/validation-*.parquet")
    with damaged(file):
        done = pulled.run("verify", *settings, offline=True, code=1)
        assert f"{PIQA}: data/{file.name}: has hash " in done.out
        assert "1 file not as on the Hub" in done.out


def test_a_mirror_gives_the_same_rows(pulled: Machine, online: dict[str, Built], mirror: Path) -> None:
    mirrored = rows(pulled, root=mirror)
    for name in TASKS:
        ours, theirs = dict(online[name]), dict(mirrored[name])
        assert ours.pop("provenance") | {"source": "folder"} == theirs.pop("provenance"), name
        assert ours == theirs, name


def test_a_mirror_holds_what_the_limit_needs(pulled: Machine, mirror: Path) -> None:
    index = json.loads((mirror / "mirror.json").read_text())
    (vqav2,) = (one for one in index["repositories"] if one["repo"] == VQAV2)
    ((name, ranges),) = vqav2["parts"].items()
    size = (mirror / VQAV2 / name).stat().st_size
    assert size == vqav2["files"][name]["size"]
    assert sum(end - start for start, end in ranges) < 0.3 * size
    other = read(pulled.hub, pulled.home, {"vqav2": LIMIT}, root=mirror, seed=SEED + 2)["vqav2"]
    assert "not in the mirror whole, but for the rows of a limit and a seed" in other["error"] or "another limit or seed" in other["error"]


def test_verify_names_a_damaged_file_of_a_mirror(pulled: Machine, mirror: Path) -> None:
    settings = (*DATA, "model=4b", f"model.path={mirror}/models/{MODEL}", f"data.root={mirror}")
    assert "every file is as on the Hub" in pulled.run("verify", *settings, offline=True).out
    file = mirror / "models" / MODEL / "model.safetensors"
    with damaged(file):
        assert f"{MODEL}: model.safetensors: has hash" in pulled.run("verify", *settings, offline=True, code=1).out


def test_a_second_machine_works_offline_after_an_import(hub: LocalHub, online: dict[str, Built], mirror: Path, tmp_path: Path) -> None:
    second = Machine(hub, tmp_path)
    done = second.run("import", str(mirror), offline=True)
    assert len(done.out.splitlines()) == 4
    assert rows(second) == online
    again = second.run("pull", *DATA, "model=4b", offline=True)  # the newest commit is the imported one
    assert again.err == ""
    assert len([*second.home.glob("**/*.safetensors")]) == 1


def test_a_folder_that_is_no_mirror(pulled: Machine, mirror: Path, tmp_path: Path) -> None:
    done = pulled.run("import", str(tmp_path), code=1)
    assert "not a mirror (no mirror.json)" in done.err
    shutil.copy(mirror / "mirror.json", tmp_path)
    text = (tmp_path / "mirror.json").read_text()
    (tmp_path / "mirror.json").write_text(text[: len(text) // 2])
    done = pulled.run("import", str(tmp_path), code=1)
    assert "mirror.json: damaged" in done.err
