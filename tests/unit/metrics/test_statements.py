# ruff: noqa: RUF001  the words of many scripts are meant
"""Where replies state their answers, in the languages of the card."""

from __future__ import annotations

import pytest

from gemma_eval.metrics.statements import MOST, boxes, phrases, statements


@pytest.mark.parametrize(
    ("reply", "stated"),
    [
        ("The answer is (B).", ["(B)."]),
        ("**Answer:** C", ["C"]),
        ("The correct answer, then, is **B**", ["B**"]),
        ("The answer to question 3: 5", ["5"]),
        ("The final answer is:\n\n(B) copper\nThat is all.", ["(B) copper"]),
        ("The answer is\n\n$$\n-3\n$$", ["$$ -3 $$"]),
        ("Answer: \\[ x = \n 5 \\] as said", ["\\[ x = 5 \\]"]),
        ("the answer is that the answer is 5", ["that the", "5"]),
        ('{"answer": "18", "final_answer": "B"}', ["18", "B"]),
        ("<answer>18</answer>", ["18"]),
        ("Answers are many, and answering is hard", []),
        ("The answer is", []),
        ("No box, no phrase", []),
        ("Antwort: B", ["B"]),
        ("Die richtige Antwort auf die Frage lautet: 18", ["18"]),
        ("La respuesta correcta es 18", ["18"]),
        ("La réponse est 18", ["18"]),
        ("La risposta è 18", ["18"]),
        ("A resposta é 18", ["18"]),
        ("Ответ — 18", ["18"]),
        ("Ответ 18", ["18"]),
        ("答案是B。\n\n答案：C", ["B。", "C"]),
        ("答えは29です。", ["29です。"]),
        ("정답은 18입니다", ["18입니다"]),
        ("उत्तर 18 है।", ["18 है।"]),
        ("সঠিক উত্তর হল ২৯।", ["২৯।"]),
        ("సమాధానం: 18", ["18"]),
        ("คำตอบคือ 18", ["18"]),
        ("الإجابة هي ١٨", ["١٨"]),
        ("Jibu ni 18", ["18"]),
        ("Câu trả lời là 18", ["18"]),
        ("Jawaban yang benar adalah B", ["B"]),
        ("Ìdáhùn ni B", ["B"]),
    ],
)
def test_phrases(reply: str, stated: list[str]) -> None:
    assert [statement.text for statement in phrases(reply)] == stated


@pytest.mark.parametrize(
    ("reply", "held"),
    [
        (r"\boxed{5} and \boxed{\frac{1}{2}}", ["5", r"\frac{1}{2}"]),
        (r"\boxed{\boxed{5}}", ["5"]),
        (r"\boxed{} \boxed{6", []),
        (r"\boxed{\text{so } \boxed{5}} but \fbox{7}", ["5", "7"]),
        (r"$\boxed 5$ apples", ["5"]),
        (r"$\boxed -\frac{\sqrt3}{2}$.", [r"-\frac{\sqrt3}{2}"]),
        (r"\boxed{\left\{1\right.}", [r"\left\{1\right."]),
        (r"\boxed{a\\}", [r"a\\"]),
        (r"\boxedx{5}", []),
    ],
)
def test_boxes(reply: str, held: list[str]) -> None:
    assert [box.text for box in boxes(reply)] == held


def test_statements_are_in_order() -> None:
    found = statements("The answer is 5, or \\boxed{6}.\nThe answer is 7.")
    assert [statement.text for statement in found] == ["5, or \\boxed{6}.", "6", "7."]
    assert [statement.boxed for statement in found] == [False, True, False]


def test_the_last_statements_count() -> None:
    assert [statement.text for statement in statements("The answer is 1.\n" * (MOST + 10) + "The answer is 2.")][-2:] == ["1.", "2."]
