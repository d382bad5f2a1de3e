# ruff: noqa: RUF001  Chinese punctuation is meant
"""AGIEval: how letters and values are read, and how the authors' prompt is made of the data's queries."""

from __future__ import annotations

import pytest

from gemma_eval.data.rows import Row
from gemma_eval.data.sources import open_source
from gemma_eval.metrics import agieval
from gemma_eval.metrics import hf_evaluate as metrics
from gemma_eval.task.base import Generation
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        (" B", "B", "B"),
        (" (C) because A is false", "C", "C"),
        (": **D**", "D", "D"),
        (" option B", "B", "B"),
        (" Both", None, "B"),  # the authors' rule takes the capital of a word
        (" A car", None, "A"),  # an article
        (" 选B项", "B", "B"),
        ("A good answer is C.", "C", "C"),
        ("The answer is\nDone: B", "B", "D"),  # the authors' rule ends with the line
        (" B, C", None, "B"),  # two letters
        (" F", "F", "F"),
        (" G", "G", None),  # the authors' rule knows A to F
        ("", None, None),
    ],
)
def test_one_letter(text: str, strict: str | None, flexible: str | None) -> None:
    assert agieval.letter(text) == strict
    assert agieval.first_letter(text) == flexible


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        (" ACD", "ACD", "ACD"),
        (" D, A和C。", "ACD", "ACD"),
        (" (A)(C)", "AC", "AC"),
        (" ['B', 'D']", "BD", "BD"),
        (" A。B是错误的", "A", "AB"),
        (" 选AB", "AB", "AB"),
        ("正确答案是 A、C。", "AC", "AC"),
        ("The answers are B and D.", "BD", "BD"),
        (" A car", None, "A"),
        (" BAD", "ABD", "ABD"),
        (" 无", None, None),
    ],
)
def test_several_letters(text: str, strict: str | None, flexible: str | None) -> None:
    assert agieval.letters(text) == strict
    assert agieval.all_letters(text) == flexible


@pytest.mark.parametrize(
    ("answer", "gold", "same"),
    [
        ("\\dfrac12", "\\frac{1}{2}", 1.0),
        ("1/2", "\\frac{1}{2}", 1.0),
        ("0.5", "\\frac12", 1.0),
        ("\\frac1{72}", "\\frac{1}{72}", 1.0),
        ("x = 3", "3", 1.0),
        ("3", "y=2x+3", 0.0),
        ("$9$;$25$", "9;25", 1.0),
        ("120^{\\circ}", "120", 1.0),
        (".25", "0.25", 1.0),
        ("12\\text{ cm}", "12", 1.0),
        ("\\sqrt3", "\\sqrt{3}", 1.0),
        ("\\left[ 0, 2 \\right)", "[0,2)", 1.0),
        ("0.25", "\\frac{1}{4}", 0.0),  # strings, not numbers: the authors' rules know 0.5 alone
        ("1,000", "1000", 0.0),
    ],
)
def test_same_value(answer: str, gold: str, same: float) -> None:
    assert agieval.same_value(answer, gold) == same
    assert metrics.AGIEvalValue().compute(predictions=[answer], references=[[gold]]) == {"exact_match": same}


def test_a_value_ends_before_the_full_stop() -> None:
    assert agieval.value(" \\frac{1}{2}.") == "\\frac{1}{2}"
    assert agieval.value(" 3。") == "3"
    assert agieval.value(" . ") is None


def test_values_by_the_authors_rule() -> None:
    assert agieval.authors_value("The answer is therefore 3") == "3"
    assert agieval.authors_value(" $3$.") == "$3$."
    assert [agieval.authors_same_value(answer, "$3$") for answer in ("$3$", "3", "$ 3 $", "$3$.")] == [1.0, 0.0, 1.0, 0.0]


def page(name: str = "agieval") -> Generation:
    task = registry()[name]()
    assert isinstance(task, Generation)
    task.seed = 0
    return task


def test_passage_and_question_are_parted_at_the_last_mark() -> None:
    row: Row = {
        "query": "He said: Q: why? Q: What is it? Answer Choices: (A)x (B)y\nA: Among A through B, the answer is",
        "choices": ["(A)x", "(B)y"],
        "gold": [1],
    }
    expected = "Problem 1.   He said: Q: why? What is it?\nChoose from the following options:    (A)x (B)y\nThe answer is therefore"
    assert page().query(row) == expected
    assert page().solution(row) == "B"


@pytest.mark.parametrize(
    ("part", "gold", "text", "exact", "flexible"),
    [
        ("gaokao-physics", [3, 0], " AD", 1.0, 1.0),
        ("gaokao-physics", [3, 0], " A", 0.0, 0.0),  # part of the right letters is wrong
        ("gaokao-physics", [0], " AD", 0.0, 0.0),
        ("gaokao-biology", [1], " B, C", 0.0, 1.0),  # one letter is asked for; the authors' rule takes the first
        ("gaokao-biology", [1], " 应选B", 1.0, 1.0),
        ("gaokao-biology", [1], " 无", 0.0, 0.0),
    ],
)
def test_grading_by_part(part: str, gold: list[int], text: str, exact: float, flexible: float) -> None:
    options = ["(A)1", "(B)2", "(C)3", "(D)4"]
    row = {"config": part, "query": "问题：q 选项：(A)1 (B)2 (C)3 (D)4\n答案：从A到D, 我们应选择", "choices": options, "gold": gold}
    verdict = page("agieval_all").grade(text, page("agieval_all").target(row))
    assert verdict.scores == {"exact_match": exact, "flexible": flexible}


def test_the_chinese_prompt() -> None:
    """The authors' words, the letters in order, and the item numbered after its exemplars."""
    rows = [
        {"query": f"问题：{question} 选项：(A)一 (B)二\n答案：从A到D, 我们应选择", "choices": ["(A)一", "(B)二"], "gold": gold}
        for question, gold in [("甲", [1, 0]), ("乙", [0])]
    ]
    cloze = {"query": "问题：丙\n答案：", "choices": None, "answer": "$3$"}
    prompt = page("agieval_all").prompt(rows[1], [rows[0]])
    assert "".join(str(part) for part in prompt.parts) == (
        "以下是考试中各个问题的答案。\n"
        "问题 1.    甲\n从以下选项中选择:    (A)一 (B)二\n答案是 AB\n\n"
        "问题 2.    乙\n从以下选项中选择:    (A)一 (B)二\n答案是"
    )
    assert page("agieval_all").shot(cloze) == "问题 1.    丙\n答案是 $3$\n\n"


def test_shots_by_part() -> None:
    task = page()
    assert {task.shots_of(part) for part in task.dataset.configs} == {3, 4, 5}
    assert task.shots_of("sat-en") == 3
    task.num_fewshot = 1
    assert {task.shots_of(part) for part in task.dataset.configs} == {1}
    task.num_fewshot = 7
    assert {task.shots_of(part) for part in task.dataset.configs} == {7}


def test_english_parts_are_the_row_and_all_parts_are_twenty() -> None:
    english, everything = page().dataset.configs, page("agieval_all").dataset.configs
    assert len(english) == 10 and len(everything) == len(set(everything)) == 20
    assert set(english) - set(everything) == {"sat-en-without-passage"}
    source = open_source(root=None, samples=True)
    assert {sample.subset for sample in build(page(), source).samples} == {"math", "sat-en"}
    assert len({sample.subset for sample in build(page("agieval_all"), source).samples}) == 4


def test_questions_on_a_passage_share_a_cluster() -> None:
    samples = build(page(), open_source(root=None, samples=True)).samples
    assert len({sample.cluster for sample in samples if sample.subset == "sat-en"}) <= 2
    assert len({sample.cluster for sample in samples if sample.subset == "math"}) == 4
