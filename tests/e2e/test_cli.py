"""The command line as users run it, with the real 270M model."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gemma_eval.task.code import CodeGeneration
from gemma_eval.task.registry import registry
from tests.sandboxes import WHY_NOT
from tests.settings import compose

REAL = ["model=270m", "weights=gguf_q4_k_m", "data=samples"]

# Without bubblewrap, the tasks that run generated code are left out. Long answers are truncated.
SUITE = [name for name in compose("suite=card_pt").suite.tasks if not (WHY_NOT and issubclass(registry()[name], CodeGeneration))]
LONG = [name for name in SUITE if getattr(registry()[name], "max_tokens", 0) > 32]
WHOLE = [
    *REAL, f"suite.tasks=[{','.join(SUITE)}]", "limit=3", "backend.dtype=float32", *(f"tasks.{name}.max_tokens=24" for name in LONG)
]  # fmt: skip


def gemma_eval(*arguments: str, code: int = 0, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "gemma_eval", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | environment,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def records(run: Path) -> dict[tuple[str, str], dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for file in (run / "records").glob("*.jsonl"):
        for line in file.read_text().splitlines():
            record = json.loads(line)
            if not record["scores"]:
                continue  # a slow metric's answer; the scored record follows
            assert (file.stem, record["id"]) not in found, "a sample was answered twice"
            found[file.stem, record["id"]] = record
    return found


def written(run: Path) -> int:
    """Lines in the files of records."""
    return sum(file.read_bytes().count(b"\n") for file in run.glob("records/*.jsonl"))


@pytest.fixture(scope="module")
def finished(gemma_270m: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tasks of the suite on the bundled samples, three items each, in float32."""
    results = tmp_path_factory.mktemp("results")
    done = gemma_eval("run", *WHOLE, f"results={results}", "run=whole")
    assert "sample only" in done.stdout and "IndicGenBench by part" in done.stdout
    return results / "whole"


@pytest.mark.model
def test_a_run_leaves_the_documented_files(finished: Path) -> None:
    assert {p.name for p in finished.iterdir()} >= {
        "config.yaml", "environment.json", "manifest.json", "prompts", "records", "scores.json", "usage.json", "report.md"
    }  # fmt: skip
    scores = json.loads((finished / "scores.json").read_text())
    assert scores["schema"] == 1 and len(scores["tasks"]) == len(SUITE)
    usage = json.loads((finished / "usage.json").read_text())
    for name, entry in scores["tasks"].items():
        assert entry["n"] == 3 and usage[name]["seconds"] > 0
        metric = entry["metrics"][entry["primary"]]
        if metric["clusters"] > 1:
            assert metric["ci95"][0] <= metric["value"] <= metric["ci95"][1]
        else:  # three items on one passage, or none with its twin in the source language
            assert metric["ci95"] is None
    arc = scores["tasks"]["arc_challenge"]["tokens"]
    assert arc["prompt"] > 5 * arc["computed"]  # 25 shared exemplars were computed once
    environment = json.loads((finished / "environment.json").read_text())
    assert environment["model"]["dtype"] == "float32"
    assert set(environment["datasets"]) == set(scores["tasks"])
    assert len(environment["datasets"]["piqa"]["rows_sha256"]) == 64


@pytest.mark.model
def test_the_finished_run_again_computes_nothing(finished: Path) -> None:
    before = {file: file.read_bytes() for file in (finished / "records").iterdir()}
    done = gemma_eval("run", *WHOLE, f"results={finished.parent}", "run=whole")
    assert f"all {3 * len(SUITE)} samples are answered already" in done.stderr
    assert before == {file: file.read_bytes() for file in (finished / "records").iterdir()}


@pytest.mark.model
def test_killed_and_resumed_is_the_run_never_killed(finished: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "gemma_eval", "run", *WHOLE, f"results={tmp_path}", "run=killed",
        "backend.pass_tokens=128", "backend.cache_tokens=600"
    ]  # fmt: skip
    kills = 0
    for lines in (4, 15, 29):  # kill -9 once that many records are there; small budgets make records trickle
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            if written(tmp_path / "killed") >= lines:
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
                break
            time.sleep(0.02)
    assert kills >= 2
    gemma_eval(*command[3:])
    resumed, whole = records(tmp_path / "killed"), records(finished)
    assert resumed.keys() == whole.keys()
    for name, record in whole.items():
        for field in ("key", "prompt_sha256", "target", "scores", "extracted"):
            assert resumed[name][field] == record[field], (name, field)
        if "logprobs" in record["response"]:
            assert resumed[name]["response"]["logprobs"] == pytest.approx(record["response"]["logprobs"], abs=1e-3, rel=2e-5)
        else:
            assert resumed[name]["response"] == record["response"]


@pytest.mark.model
def test_report_rebuilds_the_card_from_the_run(finished: Path, tmp_path: Path) -> None:
    assert "WinoGrande" in gemma_eval("report", str(finished)).stdout
    gemma_eval("report", str(finished), "--markdown", str(tmp_path / "card.md"))
    assert (tmp_path / "card.md").read_text() == (finished / "report.md").read_text()


@pytest.mark.model
def test_missing_data_spares_the_other_tasks(gemma_270m: Path, tmp_path: Path) -> None:
    """One task has rows in the folder, one has not: exit code 3, one clear line, and the score of the other."""
    import pandas as pd

    folder = tmp_path / "data" / "baber" / "piqa"
    folder.mkdir(parents=True)
    pd.DataFrame([{"goal": "To sit", "sol1": "use a chair", "sol2": "use a lake", "label": 0}] * 3).to_parquet(
        folder / "validation-0.parquet"
    )
    done = gemma_eval(
        "run",
        "model=270m",
        "weights=gguf_q4_k_m",
        f"data.root={tmp_path / 'data'}",
        "suite.tasks=[piqa,boolq]",
        f"results={tmp_path}",
        "run=r",
        code=3,
    )
    assert "missing: boolq: skipped: google/boolq: not in data.root" in done.stderr
    assert json.loads((tmp_path / "r" / "scores.json").read_text())["tasks"]["piqa"]["n"] == 3


@pytest.mark.model
def test_preview_shows_ids_with_bos_marked(gemma_270m: Path) -> None:
    printed = gemma_eval("preview", "arc_easy", "limit=1").stdout
    assert "<BOS 2>" in printed and "Question:" in printed and "* [" in printed


@pytest.mark.model
def test_a_sweep_runs_every_combination(gemma_270m: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    gemma_eval("run", "-m", *REAL, "suite=piqa,boolq", "limit=2", f"results={tmp_path / 'results'}", cwd=here)
    assert not list(here.iterdir())  # nothing is left where the command was given
    assert {run.name for run in (tmp_path / "results").iterdir() if run.is_dir()} == {
        f"270m-pt-gguf_q4_k_m-transformers-{task}-samples" for task in ("piqa", "boolq")
    }


@pytest.mark.model
def test_several_suites_are_one_run(gemma_270m: Path, plugin_page: Path, tmp_path: Path) -> None:
    """In any form, on the command line of every command; tasks of plugins too."""
    results = tmp_path / "results"
    settings = [*REAL, "limit=2", f"plugins=[{plugin_page}]", f"results={results}"]
    for form in ("suite=piqa,capitals,boolq", "suite=[piqa,capitals,boolq]"):
        done = gemma_eval("run", *settings, form)
    assert "all 6 samples are answered already" in done.stderr
    (run,) = results.iterdir()
    assert run.name == "270m-pt-gguf_q4_k_m-transformers-piqa+capitals+boolq-samples"
    scores = json.loads((run / "scores.json").read_text())
    assert {name: task["n"] for name, task in scores["tasks"].items()} == {"piqa": 2, "capitals": 2, "boolq": 2}
    plan = gemma_eval("plan", *settings, "suite=piqa,capitals,boolq").stdout
    assert "piqa" in plan and "capitals" in plan and "boolq" in plan
    preview = gemma_eval("preview", "piqa,boolq", "limit=1").stdout
    assert preview.count("<BOS 2>") == 2


@pytest.mark.model
@pytest.mark.parametrize(("number", "name", "code"), [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)])
def test_a_run_that_is_stopped_says_what_it_keeps(gemma_270m: Path, tmp_path: Path, number: signal.Signals, name: str, code: int) -> None:
    """To the whole group of processes, as a terminal sends Ctrl-C: one line, and the same command computes the rest alone."""
    command = ["run", *REAL, "suite=piqa,boolq", f"results={tmp_path}", "run=r", "backend.pass_tokens=64"]  # records trickle
    process = subprocess.Popen(
        [sys.executable, "-m", "gemma_eval", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=_heed_ctrl_c,
    )  # fmt: skip
    while written(tmp_path / "r") < 2 and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, number)
    output, errors = process.communicate(timeout=60)
    kept = written(tmp_path / "r")
    assert process.returncode == code, errors
    assert errors.splitlines()[-1] == f"stopped by {name}: {kept} answers are kept in {tmp_path / 'r'}; the same command goes on"
    assert "Traceback" not in errors and "Error" not in errors and not output
    before = records(tmp_path / "r")
    gemma_eval(*command)
    after = records(tmp_path / "r")  # and no sample twice
    assert 0 < kept == len(before) < len(after) == sum(task["n"] for task in finished_tasks(tmp_path / "r").values())


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a job in the background of a script ignores


def finished_tasks(run: Path) -> dict[str, Any]:
    return json.loads((run / "scores.json").read_text())["tasks"]  # type: ignore[no-any-return]


@pytest.mark.model
def test_a_plugin_task_runs_and_is_configurable(gemma_270m: Path, plugin_page: Path, tmp_path: Path) -> None:
    gemma_eval(
        "run", *REAL, f"plugins=[{plugin_page}]", "suite=capitals", "tasks.capitals.hint=true", f"results={tmp_path}", "run=r"
    )  # fmt: skip
    scores = json.loads((tmp_path / "r" / "scores.json").read_text())
    assert scores["tasks"]["capitals"]["n"] == 3 and scores["tasks"]["capitals"]["changed"] == {"hint": True}


@pytest.mark.model
def test_an_instruction_tuned_model_is_asked_in_chat(smollm2_gguf: Path, tmp_path: Path) -> None:
    chosen = ["model=local", f"model.path={smollm2_gguf}", "variant=it", "data=samples", f"results={tmp_path}", "run=chat", "limit=2"]
    done = gemma_eval("run", *chosen, "suite.tasks=[gsm8k_it,ifeval,piqa]", "tasks.gsm8k_it.max_tokens=24", "tasks.ifeval.max_tokens=24")
    assert "variant=it: completion form in a chat turn: piqa" in done.stderr
    report = (tmp_path / "chat" / "report.md").read_text()
    for part in (
        "| GSM8K [1] | 62.8 | 89.2 | 94.4 | 95.9 | 0 | 2/10 |",
        "max_tokens=24 |",
        "| HiddenMath |",
        "completion form in a chat turn |",
    ):
        assert part in report
    assert list(json.loads((tmp_path / "chat" / "scores.json").read_text())["tasks"]) == ["gsm8k_it", "ifeval", "piqa"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "model=9b"], "model=9b: no such choice"),
        (["run", "model=270m", "weights=qat_q4_0_gguf"], "Choices: bf16, qat_q4_0, gguf_q4_k_m"),
        (["run", "tasks.piqa.num_fewshots=1"], "Did you mean 'num_fewshot'"),
        (["run", "limit=many"], "could not be converted to Integer"),
        (["run", "variant=chat"], "variant=chat: no such choice. Choices: it, pt"),
        (["run", "data.root=/nowhere"], "no such folder"),
        (["run", *REAL, "suite=piqa", "model.path=/nowhere"], "no such folder"),
        (["report", "/nowhere"], "not a run directory"),
        (["preview", "piqua"], "suite=piqua: no such choice. Did you mean 'piqa'"),
    ],
)
def test_mistakes_get_one_clear_error(arguments: list[str], message: str) -> None:
    done = gemma_eval(*arguments, code=1)
    assert message in done.stderr and "Traceback" not in done.stderr


def test_help_costs_little_more_than_importing_hydra() -> None:
    """Under a second on any machine where Hydra itself is; torch alone would be several times that."""
    rounds = [(_seconds("-m", "gemma_eval", "run", "--help"), _seconds("-c", "import hydra")) for _ in range(5)]
    ours, hydras = (statistics.median(column) for column in zip(*rounds, strict=True))
    assert ours / hydras < 4


def _seconds(*arguments: str) -> float:
    start = time.monotonic()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.monotonic() - start


def test_settings_are_composed_by_hydra() -> None:
    printed = gemma_eval("run", "model=27b", "variant=it", "weights=qat_q4_0", "suite=mmlu", "--cfg", "job").stdout
    assert "google/gemma-3-27b-it-qat-q4_0-unquantized" in printed and "variant: it" in printed


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("gemma-eval run model=", "model=270m"),
        ("gemma-eval run tasks.piqa.num", "tasks.piqa.num_fewshot="),
        ("gemma-eval preview mo", "model"),
    ],
)
def test_shell_completion(line: str, word: str) -> None:
    assert word in gemma_eval("-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line))).stdout


def test_tasks_lists_every_page() -> None:
    printed = gemma_eval("tasks", COLUMNS="200").stdout
    assert "hellaswag" in printed and "Rowan/hellaswag" in printed and "bundled" in printed
