"""What a user sees when something goes wrong with the Hub, the network, the disk or a file: one line, and all other tasks are done.

`data pull` reads the rows as `run` does, and needs no model. So most faults are shown with it.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gemma_eval.commands.main import main
from gemma_eval.store.run_dir import RunDir
from tests.hub.catalogue import StoredFile
from tests.hub.commands import Done, folder, gemma_eval
from tests.hub.faults import Fault
from tests.hub.repositories import add_benchmarks
from tests.hub.server import READER, READER_TOKEN, STRANGER_TOKEN, LocalHub

LATER = "run the same command again later"
ABSENT = "and its files are not in the cache: connect once, or point data.root at a local copy"
NOT_THE_HUB = "the answer is not the Hub's: check HF_ENDPOINT, and whether a proxy or a login page stands in between"
AGAIN = "wait some minutes, or log in with `hf auth login` for a higher limit"
TOKEN = "the token is not valid (it may have expired): log in again with `hf auth login`, or unset HF_TOKEN"
UNKNOWN = "no such dataset on the Hub, or it is private and you are not logged in (`hf auth login`)"


LOCAL = ("model=local", "model.path=none", "limit=1")  # `data pull` does not look at a local model
NEWEST_HELLASWAG = "tasks.hellaswag.dataset.pinned=''"
SIQA = "skipped: lighteval/siqa: {}, " + ABSENT


def pull(hub: LocalHub, home: Path, suite: str, *settings: str, token: str | None = None, longest_file: int | None = None) -> Done:
    return gemma_eval(hub, home, "data", "pull", *LOCAL, f"suite={suite}", *settings, token=token, longest_file=longest_file)


def gated(repo: str) -> str:
    return f"gated: accept its terms at https://huggingface.co/datasets/{repo}, then log in with `hf auth login`"


def cached(home: Path, repo: str) -> Path:
    """The one parquet file of a repository in the Hub's cache: the name in the snapshot, which is a link."""
    snapshots = home / "huggingface" / "hub" / f"datasets--{repo.replace('/', '--')}" / "snapshots"
    (file,) = snapshots.rglob("*.parquet")
    return file


def forget_cached(home: Path, repo: str) -> None:
    """Remove a repository from both caches."""
    name = f"datasets--{repo.replace('/', '--')}"
    shutil.rmtree(home / "huggingface" / "hub" / name)
    shutil.rmtree(home / "gemma_eval" / "hub" / name)


def vanish(hub: LocalHub, repo: str, readme: Path) -> str:
    """Rewrite a repository's history: its commit, which is returned, vanishes, and another one with the same rows is there."""
    repository = hub.repository("datasets", repo)
    old = repository.head
    repository.commit({"NOTICE.md": readme})
    repository.forget(old)
    return old


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Some text file, for commits that change no row."""
    file = tmp_path / "text.md"
    file.write_text("---\nlicense: mit\n---\nText\n")
    return file


@pytest.fixture(scope="module")
def warm(sample_repositories: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The caches of a user who has some data sets, and the data.lock."""
    home = tmp_path_factory.mktemp("warm")
    with LocalHub() as hub:
        add_benchmarks(hub, sample_repositories)
        assert pull(hub, home, "piqa,gsm8k,drop,winogrande").code == 0
    return home


@pytest.fixture
def warm_home(warm: Path, home: Path) -> Path:
    shutil.copytree(warm, home, symlinks=True)
    return home


class TestOneRepository:
    """Faults of single repositories, all in one run: they cost their own task alone."""

    PARQUET = "data/validation-00000-of-00001.parquet"
    REFUSED = {
        "boolq": f"google/boolq config=default split=validation: {gated('google/boolq')}",
        "social_iqa": f"lighteval/siqa: the Hub has no answer now (status 503): {LATER}, {ABSENT}",
        "winogrande": f"allenai/winogrande: {UNKNOWN}",
        "trivia_qa": f"mandarjoshi/trivia_qa: {UNKNOWN}",
        "natural_questions": "google-research-datasets/nq_open: disabled by the Hub: choose another copy",
        "hellaswag": "Rowan/hellaswag config=default split=validation: the Hub has no answer now (status 503): "
        f"{LATER}; {PARQUET} is not in the cache",
        "mmlu": "cais/mmlu config=all split=test: the Hub cannot be reached (timed out); "
        "all/test-00000-of-00001.parquet is not in the cache",
        "ifeval": "google/IFEval config=default split=train: data/train-00000-of-00001.parquet came truncated "
        "(1,000 of 23,677 bytes): run the same command again",
        "gpqa": "Idavidrein/gpqa config=gpqa_diamond split=train: README.md: its metadata cannot be read: while parsing a flow sequence",
    }
    FINE = ["piqa", "drop", "gsm8k", "mmlu_pro", "xquad", "arc_easy"]
    SHORT = [f"tasks.{name}.max_tokens=4" for name in ("drop", "gsm8k", "mmlu_pro", "xquad")]

    @pytest.fixture
    def faulty_hub(self, benchmark_hub: LocalHub, home: Path, sample_repositories: Path, text: Path, tmp_path: Path) -> LocalHub:
        hub = benchmark_hub
        assert pull(hub, home, "hellaswag", "data.lock=null", NEWEST_HELLASWAG).code == 0  # an older commit is cached
        pq.write_table(pq.read_table(sample_repositories / "Rowan/hellaswag" / self.PARQUET).slice(1), tmp_path / "new.parquet")
        hub.repository("datasets", "Rowan/hellaswag").commit({"NOTICE.md": text, self.PARQUET: tmp_path / "new.parquet"})
        hub.repository("datasets", "google/boolq").gate([READER])
        winogrande = hub.repository("datasets", "allenai/winogrande")
        winogrande.private, winogrande.readers = True, {READER}
        hub.repository("datasets", "google-research-datasets/nq_open").disabled = True
        del hub.repositories["datasets", "mandarjoshi/trivia_qa"]
        hub.move("datasets", "EleutherAI/drop", "allenai/drop")
        vanish(hub, "TIGER-Lab/MMLU-Pro", text)
        (tmp_path / "card.md").write_text("---\nconfigs: [a: b: c\n---\n")
        gpqa = hub.repository("datasets", "Idavidrein/gpqa")
        gpqa.commit({"README.md": tmp_path / "card.md"}, id=gpqa.head)
        hub.faults.add(
            Fault("/api/datasets/lighteval/siqa", status=503),
            Fault("/cdn/.*hellaswag", status=503),
            Fault.rate_limit("/api/.*gsm8k", wait=1, times=1),
            Fault("/cdn/.*gsm8k", status=503, times=2),
            Fault("/cdn/.*cais/mmlu/.*test", hang=True),
            Fault("/cdn/.*xquad", drop=1000, times=2),
            Fault("/cdn/.*ai2_arc", reset=True, times=1),
            Fault("GET /cdn/.*IFEval", truncate=1000),
        )
        return hub

    def test_costs_one_line_and_one_task(self, faulty_hub: LocalHub, home: Path, tiny_gemma: Path) -> None:
        model = ("model=local", f"model.path={tiny_gemma}", "backend.device=cpu", "limit=1", "run=faults")
        suite = ",".join([*self.REFUSED, *self.FINE])
        done = gemma_eval(faulty_hub, home, "run", *model, f"suite={suite}", NEWEST_HELLASWAG, *self.SHORT)
        assert done.code == 3
        assert done.missing.keys() == self.REFUSED.keys()
        for task, why in self.REFUSED.items():
            assert done.missing[task].startswith(f"skipped: {why}"), done.missing[task]
        assert "EleutherAI/drop moved to allenai/drop on the Hub: name it so, since the old name may be taken one day" in done.err
        assert "TIGER-Lab/MMLU-Pro: commit b189ec765aa7" in done.err and "which the page pins, is not on the Hub; the newest" in done.err
        assert len(done.err.splitlines()) < 30  # two for each refused task, and what is said above
        run = RunDir(folder(home) / "results" / "faults")
        assert [*run.scores.tasks] == [*run.manifest.tasks] == [*run.environment.datasets] == self.FINE

        faulty_hub.faults.clear()
        again = pull(faulty_hub, home, suite, NEWEST_HELLASWAG, token=READER_TOKEN)
        assert again.missing.keys() == {"trivia_qa", "natural_questions", "gpqa"}


class TestTheWholeHub:
    """Faults that meet every request. The rows in the cache are read, and the others are named."""

    FAULTS = {
        "reset": (Fault("", reset=True), "the Hub cannot be reached ([Errno 104] Connection reset by peer)"),
        "html": (Fault.html(""), NOT_THE_HUB),
        "hang": (Fault("", hang=True), "the Hub cannot be reached (timed out)"),
        "503": (Fault("", status=503), f"the Hub has no answer now (status 503): {LATER}"),
        "429": (Fault.rate_limit("", wait=200), f"too many requests (status 429): {AGAIN}"),
    }

    @pytest.mark.parametrize("fault", FAULTS)
    def test_answers_wrongly_or_not_at_all(self, benchmark_hub: LocalHub, warm_home: Path, fault: str) -> None:
        rule, why = self.FAULTS[fault]
        benchmark_hub.faults.add(rule)
        done = pull(benchmark_hub, warm_home, "boolq,piqa,social_iqa")
        assert (done.code, done.missing) == (3, {"boolq": f"skipped: google/boolq: {why}, {ABSENT}", "social_iqa": SIQA.format(why)})
        assert len(benchmark_hub.log) <= 8
        assert done.seconds < 60

    def test_cannot_be_found(self, hub: LocalHub, warm_home: Path, tiny_gemma: Path) -> None:
        hub.url = "http://hub.invalid"
        done = gemma_eval(hub, warm_home, "run", "model=local", f"model.path={tiny_gemma}", "suite=social_iqa,boolq")
        assert done.code == 1
        first, second, third = done.err.splitlines()[-3:]
        assert first == "error: no task can be run:"
        assert re.fullmatch(
            r"  social_iqa: skipped: lighteval/siqa: the Hub cannot be reached \(\[Errno -\d+\] .*name.*\), and its .*", second, re.I
        )
        assert third.startswith("  boolq: skipped: google/boolq: the Hub cannot be reached (")

    def test_refuses_a_token(self, benchmark_hub: LocalHub, warm_home: Path) -> None:
        done = pull(benchmark_hub, warm_home, "piqa,social_iqa", token="hf_expired")
        assert (done.code, done.missing) == (3, {"social_iqa": f"skipped: lighteval/siqa: {TOKEN}"})

    def test_is_killed_midway(self, benchmark_hub: LocalHub, warm_home: Path, tiny_gemma: Path) -> None:
        hub = benchmark_hub
        hub.faults.add(Fault("/cdn/.*siqa", delay=60))
        killer = threading.Thread(target=_kill_at, args=(hub, "/cdn/.*siqa"))
        killer.start()
        model = ("model=local", f"model.path={tiny_gemma}", "backend.device=cpu", "limit=1", "run=killed")
        done = gemma_eval(hub, warm_home, "run", *model, "suite=piqa,social_iqa,boolq")
        killer.join()
        assert done.code == 3
        assert "the Hub cannot be reached (" in done.missing["social_iqa"] and "is not in the cache" in done.missing["social_iqa"]
        run = RunDir(folder(warm_home) / "results" / "killed")
        assert [*run.scores.tasks] == [name for name in ("piqa", "boolq") if name not in done.missing]
        assert "piqa" in run.scores.tasks


def _kill_at(hub: LocalHub, pattern: str) -> None:
    deadline = time.monotonic() + 100
    while not hub.log.count(pattern) and time.monotonic() < deadline:
        time.sleep(0.05)
    hub.close()


def test_a_stranger_is_told_of_the_gate(benchmark_hub: LocalHub, home: Path) -> None:
    for repo in ("google/boolq", "baber/piqa"):
        benchmark_hub.repository("datasets", repo).gate([READER], public_readme=True)
    done = pull(benchmark_hub, home, "boolq,piqa,social_iqa", token=STRANGER_TOKEN)
    where = "config=default split=validation"
    refused = {
        "boolq": f"skipped: google/boolq {where}: {gated('google/boolq')}",
        "piqa": f"skipped: baber/piqa {where}: {gated('baber/piqa')}",
    }
    assert (done.code, done.missing) == (3, refused)


class TestTheDisk:
    def test_becomes_full(self, benchmark_hub: LocalHub, warm_home: Path) -> None:
        done = pull(benchmark_hub, warm_home, "piqa,social_iqa", longest_file=6000)
        full = f"no space is left for its files in {warm_home}/huggingface/hub: free some, or set HF_HOME to a folder on a larger disk"
        assert (done.code, done.missing) == (3, {"social_iqa": f"skipped: lighteval/siqa config=default split=validation: {full}"})

    def test_has_too_little_room(self, benchmark_hub: LocalHub, warm_home: Path) -> None:
        siqa = benchmark_hub.repository("datasets", "lighteval/siqa")
        siqa.commits[siqa.head] = {name: Huge(file.path) if file.large else file for name, file in siqa.commits[siqa.head].items()}
        done = pull(benchmark_hub, warm_home, "piqa,social_iqa,boolq")
        assert done.code == 1
        refused = done.err.splitlines()[-1]
        assert refused.startswith(f"error: {warm_home}/huggingface/hub: 1,000,000 GB are to be fetched, and ")
        assert refused.endswith(" are free: free some, set HF_HOME to a folder on a larger disk, or lower limit=")
        assert benchmark_hub.log.count(part="cdn") == 0


class Huge(StoredFile):
    """A file of a petabyte, which nobody should ask for."""

    size = 10**15
    sha256 = "0" * 64
    blob_id = "0" * 40


class TestTheCache:
    def test_is_damaged_or_holds_what_vanished(self, benchmark_hub: LocalHub, warm_home: Path, text: Path) -> None:
        hub, home = benchmark_hub, warm_home
        lock = (folder(home) / "data.lock").read_text()
        whole = cached(home, "baber/piqa").read_bytes()
        cached(home, "baber/piqa").resolve().write_bytes(whole[:100])
        zeros = cached(home, "openai/gsm8k").resolve()
        zeros.write_bytes(bytes(zeros.stat().st_size))
        vanish(hub, "EleutherAI/drop", text)
        shutil.rmtree(home / "gemma_eval" / "hub" / "datasets--EleutherAI--drop")  # the listing, so that the Hub is asked
        gone = vanish(hub, "allenai/winogrande", text)
        forget_cached(home, "allenai/winogrande")
        stated = vanish(hub, "cais/mmlu", text)

        done = pull(hub, home, "piqa,gsm8k,drop,winogrande,mmlu", f"tasks.mmlu.dataset.revision={stated}")
        assert done.code == 3 and done.missing.keys() == {"gsm8k", "winogrande", "mmlu"}
        assert cached(home, "baber/piqa").read_bytes() == whole
        assert f"allenai/winogrande: no revision '{gone}' on the Hub" in done.missing["winogrande"]  # data.lock pins it
        assert f"cais/mmlu: no revision '{stated}' on the Hub" in done.missing["mmlu"]
        assert (folder(home) / "data.lock").read_text() == lock
        mend = re.search(r"not a whole parquet file \(.*\): delete (\S+) and run the same command again$", done.missing["gsm8k"])
        assert mend, done.missing["gsm8k"]
        Path(mend[1]).unlink()
        assert pull(hub, home, "gsm8k").code == 0


def test_a_damaged_lock_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "data.lock"
    lock.write_text('{"schema": 1, "datasets": {"baber/piqa": "142f6d73')
    assert main(["data", "pull", *LOCAL, "suite=piqa", f"data.lock={lock}"]) == 1
    why = "Unterminated string starting at: line 1 column 42 (char 41)"
    assert capsys.readouterr().err == f"error: {lock}: not a data.lock ({why}): mend it, or delete it and the next run writes it anew\n"
