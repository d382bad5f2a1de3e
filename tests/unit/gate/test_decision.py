"""The gate: verdicts, exit codes, what it writes, and what it refuses to judge."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gemma_eval.commands.main import main
from gemma_eval.compare import compare, load, save_baseline
from gemma_eval.errors import ConfigError
from gemma_eval.gate import Decision, Policy, judge, load_policy, noise_floor
from gemma_eval.gate.decision import draft
from gemma_eval.stats.difference import difference
from tests.runs import answers, choice, write_run

RIGHT = [i % 3 > 0 for i in range(1200)]


def lose(count: int, gain: int = 0) -> list[bool]:
    """The same items with so many of the right ones lost, and wrong ones gained."""
    rights, wrongs = [i for i, right in enumerate(RIGHT) if right], [i for i, right in enumerate(RIGHT) if not right]
    changed = {*rights[:count], *wrongs[:gain]}
    return [right != (i in changed) for i, right in enumerate(RIGHT)]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_run(tmp_path / "base", {"piqa": answers(RIGHT), "boolq": answers(RIGHT, "boolq")}).path


def candidate(tmp_path: Path, piqa: list[bool], boolq: list[bool] | None = None) -> Path:
    return write_run(tmp_path / "run", {"piqa": answers(piqa), "boolq": answers(RIGHT if boolq is None else boolq, "boolq")}).path


@pytest.mark.parametrize(
    ("piqa", "decision", "code"),
    [
        (lose(20, 20), Decision.passed, 0),
        (lose(60), Decision.failed, 1),
        (lose(30, 12), Decision.inconclusive, 2),  # 1.5 points down: neither within two points nor beyond them for sure
        (lose(23), Decision.inconclusive, 2),  # a drop for sure, but less than two points
    ],
)
def test_verdicts_and_exit_codes(base: Path, tmp_path: Path, piqa: list[bool], decision: Decision, code: int) -> None:
    run = candidate(tmp_path, piqa)
    result = judge(compare(base, run), Policy())
    assert result.decision is result.tasks[0].decision is decision and result.tasks[1].decision is Decision.passed
    assert main(["gate", str(run), "--baseline", str(base)]) == code


def test_twenty_items_decide_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [write_run(tmp_path / name, {"piqa": answers([True] * 20)}).path for name in "ab"]
    assert main(["gate", str(runs[0]), "--baseline", str(runs[1])]) == 2
    assert "needs 133 items" in capsys.readouterr().out


def test_small_tasks_are_judged_together(tmp_path: Path) -> None:
    names = ["piqa", "boolq", "hellaswag", "winogrande"]
    base = write_run(tmp_path / "base", {name: answers(RIGHT[:100], name) for name in names})
    same = judge(compare(base, write_run(tmp_path / "same", {name: answers(RIGHT[:100], name) for name in names})), Policy())
    assert same.pooled and same.pooled.decision is same.decision is Decision.passed
    assert all(task.decision is Decision.inconclusive and task.small for task in same.tasks)
    worse = [not right and i % 2 > 0 for i, right in enumerate(RIGHT[:100])]
    damaged = judge(compare(base, write_run(tmp_path / "worse", {name: answers(worse, name) for name in names})), Policy())
    assert damaged.decision is Decision.failed


def test_an_early_look_has_a_limit() -> None:
    """After 64 of thousands of items, the level of the test is smaller than the spacing of floats around one."""
    answered = [float(right) for right in RIGHT[:64]]
    found = difference(answered, answered, [str(i) for i in range(64)])
    early = draft("piqa", found, 0.01, 0.0, Policy(margin=0.01), tuned_for=20_000)
    assert -1 < early.bound < -0.5 and early.decision is Decision.inconclusive


def test_margins_by_family_and_task(base: Path, tmp_path: Path) -> None:
    found = compare(base, candidate(tmp_path, lose(60)))
    assert judge(found, Policy(margins={"reasoning": 0.09})).decision is Decision.passed
    assert judge(found, Policy(margins={"reasoning": 0.09, "piqa": 0.02})).decision is Decision.failed
    assert judge(found, Policy(tasks=["boolq"])).decision is Decision.passed


def test_nothing_below_the_noise_floor_is_a_regression(base: Path, tmp_path: Path) -> None:
    repeat = write_run(tmp_path / "repeat", {"piqa": answers(lose(60, 20)), "boolq": answers(RIGHT, "boolq")})
    floor = noise_floor(compare(base, repeat))
    assert floor["boolq"] == 0 and floor["piqa"] > 40 / 1200
    file = tmp_path / "base.json.gz"
    assert main(["baseline", str(base), "--repeat", str(repeat.path), "-o", str(file)]) == 0
    assert load(file).noise == floor
    run = candidate(tmp_path, lose(45))
    assert judge(compare(base, run), Policy()).decision is Decision.failed
    assert judge(compare(file, run), Policy()).decision is Decision.inconclusive


def test_a_repetition_must_be_one(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_run(tmp_path / "other", {"piqa": answers(RIGHT), "boolq": answers(RIGHT, "boolq")}, checkpoint={"repo": "y"})
    for repeat in (base, other.path):
        assert main(["baseline", str(base), "--repeat", str(repeat), "-o", str(tmp_path / "f")]) == 1
    assert "another checkpoint" in capsys.readouterr().err


def test_what_may_not_be_judged(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    piqa, boolq = answers(RIGHT), answers(RIGHT, "boolq")
    cases = {
        "does not have it": write_run(tmp_path / "one", {"piqa": piqa}),
        "num_fewshot 0 / 2": write_run(tmp_path / "shots", {"piqa": piqa, "boolq": boolq}, settings={"piqa": {"num_fewshot": 2}}),
        "1 items have other prompts": write_run(
            tmp_path / "prompts", {"piqa": [choice("piqa", "0", (-1.0, -2.0), prompt="x"), *piqa[1:]], "boolq": boolq}
        ),
    }
    torn = cases["have no scored answer"] = write_run(tmp_path / "torn", {"piqa": piqa, "boolq": boolq})
    torn.records_file("piqa").write_bytes(torn.records_file("piqa").read_bytes()[:-10])
    for message, run in cases.items():
        assert main(["gate", str(run.path), "--baseline", str(base)]) == 3
        assert message in capsys.readouterr().err
    for arguments in ([str(base)], [str(base), "--baseline", "nowhere"], [str(base), "--baseline", str(base), "gate.tasks=[humaneval]"]):
        assert main(["gate", *arguments]) == 3


def test_reports(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    run, files = candidate(tmp_path, lose(60), lose(30, 12)), {form: tmp_path / form for form in ("junit", "markdown", "json")}
    assert main(["gate", str(run), "--baseline", str(base), *(f"--{form}={file}" for form, file in files.items())]) == 1
    suite = ElementTree.parse(files["junit"]).getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "1")
    cases = {case.get("name"): case for case in suite}
    assert cases["piqa"].get("classname") == "gate.reasoning" and cases["piqa"][0].tag == "failure" and cases["boolq"][0].tag == "skipped"
    assert files["markdown"].read_text().startswith("## Gate: fail")
    assert summary.read_text() == "before\n" + files["markdown"].read_text()
    assert json.loads(files["json"].read_text())["tasks"]["piqa"]["decision"] == "fail"


def test_a_baseline_file_judges_alike(base: Path, tmp_path: Path) -> None:
    save_baseline(load(base), tmp_path / "base.gz")
    found = [judge(compare(source, candidate(tmp_path, lose(60))), Policy()) for source in (base, tmp_path / "base.gz")]
    verdicts = [[replace(task, compared=None) for task in result.tasks] for result in found]
    assert [(v.name, v.decision, v.bound, v.needed) for v in verdicts[0]] == [(v.name, v.decision, v.bound, v.needed) for v in verdicts[1]]


def test_policies(tmp_path: Path) -> None:
    assert load_policy().margin == 0.02
    assert load_policy("strict", ["margins.piqa=0.5"]) == Policy(margin=0.01, pooled_margin=0.01, alpha=0.01, margins={"piqa": 0.5})
    own = tmp_path / "own.yaml"
    own.write_text("defaults: [strict]\ntasks: [stem]\n")
    assert load_policy(str(own)).tasks == ["stem"] and load_policy(str(own)).alpha == 0.01
    for name, overrides in (
        ("none", []),
        ("default", ["margn=0.1"]),
        ("default", ["margin=2"]),
        ("default", ["margin=x"]),
        ("default", ["margins.pika=0.1"]),
    ):
        with pytest.raises(ConfigError, match="gate"):
            load_policy(name, overrides)
