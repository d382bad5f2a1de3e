"""Who read an answer: the primary extractor, a diagnostic alone, or none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.scoring.readers import count_readers, diagnostic_metrics, differences, read_alone
from gemma_eval.scoring.summary import summarize
from gemma_eval.store.scores import ReadAlone, Readers
from gemma_eval.task.registry import registry
from gemma_eval.types import JSON, Record
from tests.runs import answers, generated

STATED, LOST, WRONG, NO_NUMBER = "6 + 12 = 18. The answer is 18.", "So she has 18 clips", "So she has 17", "I do not know."
LETTER: JSON = {"reading": "letter", "gold": "C"}
CHOICE: JSON = {"answers": ["A"], "options": ["cat", "dog"], "open": False}
OPEN: JSON = {"answers": ["A"], "options": [], "open": True}


def gsm8k(*texts: str) -> list[Record]:
    return [generated("gsm8k", str(i), text, ["18"]) for i, text in enumerate(texts)]


def test_each_answer_is_counted_once() -> None:
    found = count_readers(registry()["gsm8k"](), gsm8k(STATED, STATED, LOST, WRONG, NO_NUMBER, ""))
    assert found == Readers(primary=2, diagnostic=2, none=2, alone={"flexible": ReadAlone(items=2, right=1)})


@pytest.mark.parametrize(
    ("task", "target", "text", "readers"),
    [
        ("agieval_all", LETTER, "(B) or (C)", {"flexible"}),  # the authors' rule takes the first letter
        ("agieval_all", LETTER, "A good answer is C.", set()),
        ("mmmu", CHOICE, "A or B", {"authors"}),
        ("mmmu", OPEN, "", set()),
        ("countbenchqa", ["4"], "There are 4 chairs.", {"first_number"}),
        ("countbenchqa", ["4"], "There are many chairs.", set()),
    ],
)
def test_diagnostics_that_read_alone(task: str, target: JSON, text: str, readers: set[str]) -> None:
    record = generated(task, "x", text, target)
    assert set(read_alone(registry()[task](), record)) == readers


def test_a_diagnostic_that_extracts_nothing_reads_what_it_gives_credit() -> None:
    page = registry()["math"]()
    record = replace(gsm8k(NO_NUMBER)[0], extracted=None, scores=dict.fromkeys(page.metrics, 0.0))
    assert read_alone(page, record) == {}
    assert list(read_alone(page, replace(record, scores=dict(record.scores) | {"math_verify": 1.0}))) == ["math_verify"]


def test_multiple_choice_has_no_readers_and_a_task_without_diagnostics_has_no_reader_alone() -> None:
    assert count_readers(registry()["piqa"](), answers([True, False])) is None
    assert diagnostic_metrics(registry()["piqa"]()) == diagnostic_metrics(registry()["humaneval"]()) == []
    assert diagnostic_metrics(registry()["wmt24pp"]()) == []  # its primary metric is one of the whole corpus
    assert diagnostic_metrics(registry()["eclektic"]()) == []  # and here, of two questions
    assert diagnostic_metrics(registry()["ifeval"]()) == ["prompt_loose"]


def test_scores_have_the_readers_and_groups_have_their_own() -> None:
    page = registry()["gsm8k"]()
    assert summarize(page, gsm8k(STATED, LOST, NO_NUMBER), 10).readers == Readers(
        primary=1, diagnostic=1, none=1, alone={"flexible": ReadAlone(1, 1)}
    )
    ruler = registry()["ruler"]()
    target: JSON = {"answers": ["7"], "match": "all"}
    subsets = ["4096/vt", "4096/vt", "8192/vt"]
    records = [generated("ruler", str(i), "7", target, subset=subset) for i, subset in enumerate(subsets)]
    groups = summarize(ruler, records, 10).groups
    assert {name: found.readers for name, found in groups.items()} == {
        "4096": Readers(primary=2, diagnostic=0, none=0),
        "8192": Readers(primary=1, diagnostic=0, none=0),
    }


def test_a_record_that_the_page_cannot_read_any_more_is_read_by_none() -> None:
    record = replace(generated("agieval_all", "x", "(B) or (C)", LETTER), target={"reading": "of an older page"})
    assert count_readers(registry()["agieval_all"](), [record]) == Readers(primary=0, diagnostic=0, none=1)


TEXTS = st.sampled_from(["", " ", "18", STATED, LOST, WRONG, NO_NUMBER, "A", "(A) or (B)", "The answer is (B).", "a car", "Four", "4 cars"])
KINDS: list[tuple[str, JSON]] = [("gsm8k", ["18"]), ("agieval_all", LETTER), ("mmmu", CHOICE), ("countbenchqa", ["4"]), ("drop", [["18"]])]


@given(st.sampled_from(KINDS), st.lists(TEXTS, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_the_three_counts_add_up_to_the_answers(kind: tuple[str, JSON], texts: list[str]) -> None:
    task, target = kind
    page, records = registry()[task](), [generated(task, str(i), text, target) for i, text in enumerate(texts)]
    scores = summarize(page, records, len(records))
    found = scores.readers
    assert found is not None
    assert found.primary + found.diagnostic + found.none == scores.n
    assert found.diagnostic + found.none == scores.extraction_failures
    alone = [one.items for one in found.alone.values()]
    assert max(alone, default=0) <= found.diagnostic <= sum(alone)
    assert all(0 <= one.right <= one.items for one in found.alone.values())
    listed = {one.record.id for one in differences(page, records)}
    assert {record.id for record in records if read_alone(page, record)} <= listed
    assert {record.id for record in records if len({bool(record.scores[name]) for name in page.metrics}) > 1} <= listed
