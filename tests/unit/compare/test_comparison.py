"""Comparisons of run directories: known answers, baselines without text, and input that must be refused or answered rightly."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pytest

from gemma_eval.commands.main import main
from gemma_eval.compare import compare, load, paired, save_baseline
from gemma_eval.errors import RunError
from gemma_eval.report.comparison import headline, to_json
from tests.runs import answers, choice, generated, write_run

RIGHT = [True] * 60 + [False] * 40


@pytest.fixture
def a(tmp_path: Path) -> Path:
    return write_run(tmp_path / "a", {"piqa": answers(RIGHT)}).path


def test_flips_difference_and_margins(a: Path, tmp_path: Path) -> None:
    changed = [not right if i in (0, 1, 2, 99) else right for i, right in enumerate(RIGHT)]
    b = write_run(tmp_path / "b", {"piqa": answers(changed)}, dtype="float32")
    (task,) = (found := compare(a, b)).tasks
    assert (task.a, task.b, task.gained, task.lost) == (0.6, 0.58, 1, 3)
    assert task.difference.value == pytest.approx(-0.02)
    assert task.p_value == task.mcnemar == task.holm == pytest.approx(0.375)
    assert task.shift
    assert task.shift.changed == pytest.approx(0.04)
    assert task.shift.margin.value == pytest.approx((2 - 6) / 100)
    p = 1 / (1 + math.exp(-1))
    assert task.shift.divergence.value == pytest.approx(0.04 * (2 * p - 1))
    assert found.engine == {"dtype": ("bfloat16", "float32")} and found.same_question


def test_paired_records_are_a_frame(a: Path, tmp_path: Path) -> None:
    b = write_run(tmp_path / "b", {"piqa": answers([False, *RIGHT[1:]]), "boolq": answers([True], "boolq")})
    frame = paired(a, b)
    primary = frame[frame.metric == "acc_norm"]
    assert len(primary) == 100 and set(frame.task) == {"piqa"}
    assert primary.difference.sum() == -1 and primary.changed.sum() == 1
    assert primary.iloc[0].to_dict() | {"answer_a": 0, "answer_b": 1, "margin_a": 1.0, "margin_b": -1.0} == primary.iloc[0].to_dict()


def test_the_frame_has_texts_and_counts(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, {"wmt24pp": [generated("wmt24pp", "1", name * 9, ["bbbb"], subset="x")]}) for name in "ab"]
    row = paired(*runs).iloc[0]
    assert (row.answer_a, row.answer_b, row.changed) == ("a" * 9, "b" * 9, True)
    assert isinstance(row.a, list) and math.isnan(row.difference)


def test_items_are_joined_on_their_prompt_too(a: Path, tmp_path: Path) -> None:
    records = [choice("piqa", str(i), (-5.0, -6.0), prompt="another" if i < 10 else "") for i in range(90)]
    (task,) = (found := compare(a, write_run(tmp_path / "b", {"piqa": records}))).tasks
    assert (task.difference.n, task.agreement.joined.other_prompts, task.agreement.joined.only_a) == (80, 10, 10)
    assert not found.same_question and "10 items have other prompts" in " ".join(headline(found))


def test_changed_protocol_and_tasks_are_named(a: Path, tmp_path: Path) -> None:
    b = write_run(
        tmp_path / "b", {"piqa": answers(RIGHT), "boolq": answers([True], "boolq")}, settings={"piqa": {"num_fewshot": 3, "limit": 7}}
    )
    lines = " ".join(headline(compare(a, b)))
    assert "num_fewshot 0 / 3" in lines and "only B has boolq" in lines and "limit" not in lines


def test_what_a_page_chooses_its_items_by_is_no_other_protocol(tmp_path: Path) -> None:
    records = {"ruler": [generated("ruler", "1", "x", {"answers": ["x"], "match": "all"})]}
    runs = [write_run(tmp_path / str(items), records, settings={"ruler": {"items": items}}) for items in (3, 5)]
    assert compare(*runs).same_question


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({"boolq": answers([True], "boolq")}, "no item is in both"),
        ({"piqa": [choice("piqa", "0", (-1.0, -2.0), prompt="another")]}, "in the same words"),
        ({"piqa": [choice("piqa", "other", (-1.0, -2.0))]}, "in the same words"),
    ],
)
def test_nothing_in_common_is_refused(a: Path, tmp_path: Path, records: dict[str, list[object]], message: str) -> None:
    b = write_run(tmp_path / "b", records)  # type: ignore[arg-type]
    with pytest.raises(RunError, match=message):
        compare(a, b)


def test_a_run_against_itself(a: Path) -> None:
    found = compare(a, a)
    (task,) = found.tasks
    assert found.same_run and task.p_value == 1 and task.difference.value == 0
    assert task.interval[0] < 0 < task.interval[1]


def test_one_item_has_no_interval(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, {"piqa": answers([right])}) for name, right in (("a", True), ("b", False))]
    (task,) = (found := compare(*runs)).tasks
    assert task.difference.value == -1 and math.isnan(task.p_value) and math.isnan(task.interval[0])
    assert to_json(found)["tasks"]["piqa"]["difference"]["ci95"] == [None, None]


def test_all_items_equal(tmp_path: Path) -> None:
    """All right in both: no difference is seen, and twenty items do not prove that there is none."""
    runs = [write_run(tmp_path / name, {"piqa": answers([True] * 20)}) for name in "ab"]
    (task,) = compare(*runs).tasks
    assert task.p_value == 1 and task.interval == pytest.approx((-0.1611, 0.1611), abs=1e-4)


def test_all_differences_equal_are_not_certainty(tmp_path: Path) -> None:
    """Token F1 drops by a quarter on each of five items: another share of items may still do otherwise."""
    runs = [
        write_run(tmp_path / name, {"drop": [_graded("drop", str(i), value) for i in range(5)]})
        for name, value in (("a", 0.5), ("b", 0.25))
    ]
    (task,) = compare(*runs).tasks
    assert task.p_value == pytest.approx(0.264, abs=1e-3) and task.interval == pytest.approx((-0.576, 0.293), abs=1e-3)


def _graded(task: str, id: str, value: float):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    from gemma_eval.task.registry import registry

    return replace(choice("piqa", id, (-1.0, -2.0)), scores=dict.fromkeys(registry()[task]().metrics, value))


def test_a_truncated_record_file(a: Path, tmp_path: Path) -> None:
    b = write_run(tmp_path / "b", {"piqa": answers(RIGHT)})
    file = b.records_file("piqa")
    file.write_bytes(file.read_bytes()[:-2000])
    (task,) = compare(a, b).tasks
    lost = 100 - task.difference.n
    assert lost > 0 and f"{lost} items of B have no scored answer" in task.agreement.remarks


def test_corpus_metrics_are_resampled(tmp_path: Path) -> None:
    """Two language pairs, clusters across them; the difference is that of the corpus scores."""
    gold = "the river runs over old stones"
    texts = {"a": [gold[: 10 + i] for i in range(20)], "b": [gold[: 8 + i] for i in range(20)]}
    runs = [
        write_run(
            tmp_path / name,
            {
                "wmt24pp": [
                    generated("wmt24pp", str(i), text, [gold], subset=f"en-{i % 2}", cluster=str(i // 4)) for i, text in enumerate(of)
                ]
            },
        )
        for name, of in texts.items()
    ]
    (task,) = compare(*runs).tasks
    assert task.gained is None and task.interval[0] <= task.difference.value <= task.interval[1] < 0
    assert task.b - task.a == pytest.approx(task.difference.value)


def test_pooled_difference_is_the_mean_of_tasks(a: Path, tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", {"piqa": answers(RIGHT), "boolq": answers(RIGHT[:50], "boolq")})
    worse = [False] * 10 + RIGHT[10:]
    other = write_run(tmp_path / "other", {"piqa": answers(worse), "boolq": answers(RIGHT[:50], "boolq")})
    found = compare(one, other)
    assert found.pooled and found.pooled.value == pytest.approx(-0.05)
    assert found.pooled.stderr == pytest.approx(math.hypot(*(task.difference.stderr for task in found.tasks)) / 2, rel=0.01)


def test_a_baseline_says_the_same_without_text(a: Path, tmp_path: Path) -> None:
    text = write_run(tmp_path / "t", {"trivia_qa": [generated("trivia_qa", "1", "Secret", ["secret"], cluster="the very question")]})
    for run in (a, text.path):
        save_baseline(load(run), tmp_path / "base.json.gz")
        kept = gzip.decompress((tmp_path / "base.json.gz").read_bytes()).decode()
        assert "ecret" not in kept and "question" not in kept
        fresh, again = to_json(compare(run, run)), to_json(compare(tmp_path / "base.json.gz", run))
        assert fresh["tasks"] == again["tasks"] and again["same_question"]
    first = (tmp_path / "base.json.gz").read_bytes()
    save_baseline(load(text.path), tmp_path / "base.json.gz")
    assert (tmp_path / "base.json.gz").read_bytes() == first


def test_what_is_no_run_is_refused(a: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no baseline")
    (tmp_path / "old.gz").write_bytes(gzip.compress(json.dumps({"baseline": 99}).encode()))
    (a / "scores.json").unlink()
    for path, message in ((tmp_path / "file", "not a baseline"), (tmp_path / "old.gz", "schema 99"), (tmp_path, "manifest"), (a, "scores")):
        with pytest.raises(RunError, match=message):
            load(path)


def test_every_form(a: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    b = write_run(tmp_path / "b", {"piqa": answers([False] * 5 + RIGHT[5:])}).path
    files = {form: tmp_path / f"out.{form}" for form in ("markdown", "json", "html")}
    assert main(["compare", str(a), str(b), str(a), *(f"--{form}={file}" for form, file in files.items())]) == 0
    assert "| piqa | 100 | 60.0 | 55.0 | -5.00 |" in files["markdown"].read_text()
    first, second = json.loads(files["json"].read_text())
    assert first["tasks"]["piqa"]["flips"] == {"gained": 0, "lost": 5, "mcnemar_midp": 0.03125}
    assert second["tasks"]["piqa"]["difference"]["value"] == 0
    assert "<td>-5.00</td>" in files["html"].read_text() and "<script src" not in files["html"].read_text()
    assert main(["compare", str(a), str(b)]) == 0
    shown = capsys.readouterr().out
    assert "Prompts, data and protocol are identical." in shown and "0 / 5" in shown and "1.00 GiB" in shown
    assert main(["compare", str(a)]) == 1
