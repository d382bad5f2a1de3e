"""What a later start takes from an earlier one: commits of data and model, and the hash of the rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gemma_eval.errors import DataError, RunError
from gemma_eval.run.earlier import check_unchanged, continued, recorded_commits, recorded_rows, run_directory, with_recorded_model
from gemma_eval.settings import RunConfig
from gemma_eval.store.environment import Environment
from gemma_eval.store.manifest import Manifest
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import Provenance
from tests.runs import answers, write_run
from tests.settings import compose

OLD, NEW = "a" * 40, "b" * 40
HUB_MODEL = ("model=270m", "weights=bf16", "variant=pt")
RECORDED = {"repo": "google/gemma-3-270m", "commit": OLD}
ROWS = Provenance("hub", "baber/piqa", "validation", OLD, 12, "hash of all", commits={"baber/piqa": OLD})


def settings(results: Path, *overrides: str) -> RunConfig:
    return compose(*(overrides or HUB_MODEL), f"results={results}", "run=earlier")


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """A folder of results with an earlier start."""
    run = write_run(tmp_path / "earlier", {"piqa": answers([True])})
    environment = Environment(model={"checkpoint": RECORDED}, datasets={"piqa": ROWS})
    run.write_json("environment.json", environment.to_json())
    return tmp_path


class TestRows:
    def test_a_new_run_has_none(self, tmp_path: Path) -> None:
        assert recorded_rows(settings(tmp_path)) == {}

    def test_those_of_the_run_of_this_name(self, started: Path) -> None:
        assert run_directory(settings(started)).path == started / "earlier"
        assert recorded_rows(settings(started)) == {"piqa": ROWS}

    def test_unchanged(self) -> None:
        check_unchanged("piqa", ROWS, replace(ROWS, revision=NEW))
        check_unchanged("piqa", None, ROWS)
        check_unchanged("piqa", replace(ROWS, rows_sha256=""), ROWS)  # a run of a version that kept no hash

    def test_changed(self) -> None:
        with pytest.raises(DataError) as refused:
            check_unchanged("piqa", ROWS, Provenance("folder", "baber/piqa", "validation", "local folder", 13, "another hash"))
        assert str(refused.value) == (
            f"piqa: the rows of baber/piqa have changed since this run's earlier start: 12 rows of {OLD} then, 13 rows of local folder "
            "now. What the run has of the task stays as it is; data.update=true asks the new rows, and run=NAME starts another run"
        )


class TestCommits:
    def test_of_all_repositories(self) -> None:
        two = Provenance("hub", "hails/agieval-{config}", commits={"hails/agieval-math": OLD, "hails/agieval-sat-math": NEW})
        assert recorded_commits({"piqa": ROWS, "agieval": two}) == {
            "baber/piqa": OLD,
            "hails/agieval-math": OLD,
            "hails/agieval-sat-math": NEW,
        }

    def test_of_a_run_that_recorded_revisions_alone(self) -> None:
        older = Provenance("hub", "lmms-lab/VQAv2", revision=OLD)
        assert recorded_commits({"vqav2": older}) == {"lmms-lab-encoder/VQAv2": OLD}

    @pytest.mark.parametrize(
        "rows",
        [
            Provenance("folder", "baber/piqa", revision="local folder"),
            Provenance("hub", "baber/piqa", revision="commit unknown"),
            Provenance("samples", "samples:baber/piqa", revision="bundled"),
            Provenance("hub", "hails/agieval-{config}", revision=f"{OLD}, {NEW}"),
        ],
        ids=lambda rows: rows.revision,
    )
    def test_none_is_known(self, rows: Provenance) -> None:
        assert recorded_commits({"task": rows}) == {}


class TestModel:
    def test_the_recorded_commit_is_kept(self, started: Path) -> None:
        config = settings(started)
        assert with_recorded_model(config) == replace(config, model=replace(config.model, revision=OLD))

    @pytest.mark.parametrize(
        "overrides",
        [
            (*HUB_MODEL, f"model.revision={NEW}"),  # the user chooses
            ("model=1b", "weights=bf16", "variant=pt"),  # another repository
            ("model=270m", "weights=gguf_q4_k_m", "variant=pt"),  # from a Python package
            ("model=local", "model.path=somewhere"),
        ],
        ids=lambda overrides: " ".join(overrides),
    )
    def test_other_settings_stay_as_they_are(self, started: Path, overrides: tuple[str, ...]) -> None:
        config = settings(started, *overrides)
        assert with_recorded_model(config) is config

    def test_a_new_run_and_one_without_a_commit(self, tmp_path: Path, started: Path) -> None:
        new = settings(tmp_path / "elsewhere")
        assert with_recorded_model(new) is new
        run_directory(settings(started)).write_json("environment.json", Environment(model={"checkpoint": "local"}).to_json())
        config = settings(started)
        assert with_recorded_model(config) is config


class TestContinued:
    """A run that is started again keeps what it has, or the start is refused by what differs."""

    ENGINE: ClassVar[dict[str, Any]] = {"checkpoint": {"repo": "x", "content": "a" * 64}, "dtype": "bfloat16"}
    SERVER = ("model=local", "model.path=somewhere", "backend=server", "suite=piqa")

    @pytest.fixture
    def finished(self, tmp_path: Path) -> RunDir:
        run = write_run(tmp_path / "earlier", {"piqa": answers([True, False])})
        run.write_json("environment.json", Environment(model=self.ENGINE).to_json())
        return run

    def start(self, run: RunDir, manifest: Manifest, *overrides: str, engine: dict[str, Any] | None = None) -> Manifest:
        return continued(run, manifest, settings(run.path.parent, *overrides), engine or self.ENGINE, {})

    def test_the_same_again(self, finished: RunDir) -> None:
        assert self.start(finished, finished.manifest) == finished.manifest

    @pytest.mark.parametrize(
        ("engine", "message"),
        [
            ({"dtype": "float32"}, "dtype bfloat16 then, float32 now"),
            ({"checkpoint": {"repo": "x", "content": "b" * 64}}, "checkpoint.content aaaaaaaaaaaa... then, bbbbbbbbbbbb... now"),
            ({"served_model": "other"}, "served_model none then, other now"),
        ],
    )
    def test_another_engine_is_refused_by_what_differs(self, finished: RunDir, engine: dict[str, Any], message: str) -> None:
        with pytest.raises(RunError) as refused:
            self.start(finished, finished.manifest, engine=self.ENGINE | engine)
        assert str(refused.value) == (
            f"{finished.path}: this run is of another model or engine ({message}); choose another name with run=NAME"
        )

    def test_another_chat_form_is_refused(self, finished: RunDir) -> None:
        manifest = replace(finished.manifest, model=replace(finished.manifest.model, variant="it"), tasks={})
        with pytest.raises(RunError, match=r"\(variant pt then, it now\)"):
            self.start(finished, manifest)

    def test_an_unknown_engine_is_not_mixed_with_another(self, finished: RunDir) -> None:
        (finished.path / "environment.json").unlink()
        assert self.start(finished, finished.manifest) == finished.manifest
        with pytest.raises(RunError, match=r"environment\.json does not say which"):
            self.start(finished, replace(finished.manifest, tasks={}))

    def test_a_run_without_an_answer_has_nothing_to_lose(self, finished: RunDir) -> None:
        finished.records_file("piqa").unlink()
        other = replace(finished.manifest, suite="other", tasks={})
        assert self.start(finished, other, engine={"dtype": "float32"}) == other

    def test_another_server_under_one_name(self, finished: RunDir, caplog: pytest.LogCaptureFixture) -> None:
        """Nothing would be asked of it. While something is left to ask, a server may have moved."""
        (finished.path / "config.yaml").write_text("backend: {url: http://user:secret@a:1/v1}")
        assert self.start(finished, finished.manifest, *self.SERVER, "backend.url=http://a:1/v1/") == finished.manifest
        with pytest.raises(RunError) as refused:
            self.start(finished, finished.manifest, *self.SERVER, "backend.url=http://b:1/v1")
        assert "every answer is of the server http://a:1/v1, and none is left to ask of http://b:1/v1" in str(refused.value)
        task = finished.manifest.tasks["piqa"]
        wider = replace(finished.manifest, tasks={"piqa": replace(task, samples=[*task.samples, SampleKey("new", "new")])})
        assert self.start(finished, wider, *self.SERVER, "backend.url=http://b:1/v1") == wider
        assert caplog.messages == ["earlier: answers so far are of http://a:1/v1, and the others are asked of http://b:1/v1"]

    @pytest.mark.parametrize("content", ["", "[", "2", "backend: 3", "backend: {url: 3}", "\x00"])
    def test_settings_that_cannot_be_read_say_no_server(self, finished: RunDir, content: str) -> None:
        (finished.path / "config.yaml").write_text(content)
        assert self.start(finished, finished.manifest, *self.SERVER) == finished.manifest
