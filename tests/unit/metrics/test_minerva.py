"""Competition answers, option letters, numbers of many languages, and the workers that computer algebra runs in."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from gemma_eval.metrics import hf_evaluate as metrics
from gemma_eval.metrics import letters, math, minerva, workers
from gemma_eval.task.base import Generation
from gemma_eval.task.registry import registry
from gemma_eval.types import GenerateResponse

TOWER = "9^{9^{9^9}}"


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (r"\frac12", r"\frac{1}{2}"),
        (r"0.5", r"\frac{1}{2}"),
        (r"$\dfrac{2}{4}$", r"\frac{1}{2}"),
        (r"\frac{625}4", r"\frac{625}{4}"),
        (r"x = 5", "5"),
        (r"5\text{ cm}", "5"),
        ("12 square inches", "12"),
        (r"80^\circ", "80"),
        ("1{,}000", "1000"),
        ("-1,814,400", "-1814400"),
        ("007", "7"),
        (r"\sqrt8", r"2\sqrt{2}"),
        (r"\sqrt[3]8", r"\sqrt[3]{8}"),
        ("(x-1)(x+1)", "x^2-1"),
        (r"\left(1,2\right)", r"\left( 1, 2 \right)"),
        (r"\text{first}", "first"),
    ],
)
def test_equal_answers(answer: str, gold: str) -> None:
    assert minerva.equivalent(answer, gold)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (r"\frac{1}{3}", "0.33"),
        ("0,1", "1"),
        ("0,1", "0,2"),
        ("(1,2)", "(2,1)"),
        ("[1,2)", "[1,2]"),
        ("x+1", "x+2"),
        ("", "0"),
        ("$", ""),
        ("second", "first"),
        (r"\frac{1}{0}", "1"),
        ("7" * 5000, "7"),  # Python reads no integer of so many digits
        ("7", "7" * 1999),
    ],
)
def test_different_answers(answer: str, gold: str) -> None:
    assert not minerva.equivalent(answer, gold)


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"so $\boxed{3}$ or rather $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (r"so \boxed 5$ apples", "5"),
        (r"so \fbox{$x$}", "$x$"),
    ],
)
def test_boxed(solution: str, answer: str) -> None:
    assert minerva.boxed(solution) == answer


@pytest.mark.parametrize("solution", ["no box", r"\boxed{\frac{1}{2}"])
def test_a_solution_without_an_answer_is_an_error(solution: str) -> None:
    with pytest.raises(ValueError, match="boxed"):
        minerva.boxed(solution)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("6\nFinal Answer: The final answer is $6$. I hope it is correct.", "$6$"),
        (
            "Final Answer: The final answer is $1.5$. I hope it is correct.\nFinal Answer: The final answer is $2$. I hope it is correct.",
            "$1.5$",
        ),
        ("Final Answer: The final answer is $6$.", None),
        (r"so \boxed{6}", None),
    ],
)
def test_final_answer(text: str, answer: str | None) -> None:
    assert minerva.final_answer(text) == answer


def test_math_reports_every_checker() -> None:
    task = registry()["math"]()
    assert task.metrics == ("exact_match", "is_equiv", "minerva", "math_verify")
    text = r"The sum is $\boxed{\frac{3}{6}}$, and no closing sentence."
    verdict = task.score([r"\frac12"], GenerateResponse((text,), ("eos",), (1,)))
    assert verdict.scores == {"exact_match": 0.0, "is_equiv": 0.0, "minerva": 0.0, "math_verify": 1.0}
    assert verdict.extracted is None


@pytest.mark.parametrize(
    ("boxed", "gold", "scores"),
    [
        (r"\frac12", r"\frac{1}{2}", (1.0, 1.0, 1.0)),
        ("28", r"28\%", (1.0, 1.0, 0.0)),
        (r"\left(3,2,4\right)", "(3,2,4)", (1.0, 1.0, 0.0)),
        ("(3, 2, 4)", r"\bigl(3,2,4\bigr)", (1.0, 0.0, 0.0)),
        ("(3,4,2)", "(3,2,4)", (0.0, 0.0, 0.0)),
        ("7" * 5000, "7", (0.0, 0.0, 0.0)),
    ],
)
def test_math_reports_the_published_verdicts_beside_its_own(boxed: str, gold: str, scores: tuple[float, ...]) -> None:
    verdict = registry()["math_it"]().score([gold], GenerateResponse((rf"Thus $\boxed{{{boxed}}}$.",), ("eos",), (1,)))
    assert tuple(verdict.scores[name] for name in ("exact_match", "is_equiv", "minerva")) == scores
    assert verdict.extracted == boxed


# -- workers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "argument"),
    [(int, "x"), (os._exit, 3), (bytearray, 2 * workers.MEMORY_BYTES), (range(10**12).count, 0.5)],
    ids=["raises", "dies", "fills the memory", "computes for ever"],
)
def test_what_fails_in_a_worker_gives_none(function: Callable[..., object], argument: object) -> None:
    assert workers.run(function, argument) is None
    assert workers.run(abs, -1) == 1


def test_the_limit_is_of_processor_time() -> None:
    assert workers.run(subprocess.call, ["sleep", str(1.5 * workers.CPU_SECONDS)]) == 0


def test_a_pathological_answer_costs_about_a_second_and_no_other_answer() -> None:
    assert minerva.equivalent("1+1", "2")  # workers are up
    started = time.monotonic()
    with ThreadPoolExecutor(6) as threads:
        towers = [threads.submit(minerva.equivalent, f"{TOWER}+{i}", "7") for i in range(2)]
        others = [threads.submit(minerva.equivalent, f"{i}+1", f"1+{i}") for i in range(40)]
        assert [tower.result() for tower in towers] == [False, False]
        assert all(other.result() for other in others)
    assert time.monotonic() - started < 20  # two seconds of computing, on a machine that may be busy


def test_math_verify_survives_a_pathological_answer() -> None:
    assert not minerva.verified(f"The answer is $\\boxed{{{TOWER}}}$.", "7")
    assert minerva.verified(r"The answer is $\boxed{7}$.", "7")


def test_no_worker_starts_before_it_is_needed_and_none_is_left() -> None:
    program = (
        "import multiprocessing, sys\n"
        "from gemma_eval.metrics import minerva\n"
        "assert minerva.equivalent('1{,}000', '1000') and not minerva.equivalent('1', '2')\n"
        "print(len(multiprocessing.active_children()), 'sympy' in sys.modules, minerva.equivalent('1+1', '2'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0 False True\n", "")


# -- letters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first", "last", "anywhere"),
    [
        ("The answer is (C).", "C", "C", "C"),
        ("the answer is J", "J", "J", "J"),
        ("The answer is (A). No, the answer is (B).", "A", "B", "A"),
        ("The answer is Because of B", None, None, "B"),
        ("Answer: D", None, None, "D"),
        ("It must be (E)", None, None, "E"),
        ("The answer is (K).", None, None, None),
        ("", None, None, None),
    ],
)
def test_letters(text: str, first: str | None, last: str | None, anywhere: str | None) -> None:
    assert (letters.stated(text), letters.last_stated(text), letters.anywhere(text)) == (first, last, anywhere)


# -- numbers of many languages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1234", "1234"),
        ("1,234", "1234"),
        ("1.234", "1234"),
        ("1 234", "1234"),
        ("1\u00a0234\u202f567", "1234567"),
        ("1'234", "1234"),
        ("1,00,000", "100000"),
        ("1.234,5", "1234.5"),
        ("1,234.50", "1234.5"),
        ("2,5", "2.5"),
        ("0.125", "0.125"),
        ("$18", "18"),
        ("\u22123", "-3"),
        ("\u09e7\u09ee", "18"),  # Bengali
        ("\u0c67\u0c6e", "18"),  # Telugu
        ("\u0e51\u0e58", "18"),  # Thai
        ("\uff11\uff18", "18"),  # full width
        ("1.2.3", None),
        ("1,2,3.4.5", None),
        ("", None),
    ],
)
def test_to_local_number(text: str, number: str | None) -> None:
    assert math.to_number(text, local=True) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4 * 5 = 20. The answer is 29.", "29"),
        ("Die Antwort lautet 1.234 Euro.", "1.234"),
        ("La réponse est 1\u202f250 €", "1\u202f250"),
        ("答えは29です。", "29"),
        ("答案是 29。", "29"),
        ("Ответ \u2014 29.", "29"),
        ("উত্তর হল ২৯।", "২৯"),
        ("Jibu ni 7. The answer is 8", "8"),
        ("The answer is 7. Jibu ni nane", None),
        ("29", None),
    ],
)
def test_mgsm_takes_the_number_after_the_last_phrase(text: str, found: str | None) -> None:
    task = registry()["mgsm"]()
    verdict = task.score(["29"], GenerateResponse((text,), ("stop",), (1,)))
    assert verdict.extracted == found


def test_mgsm_clusters_parallel_items() -> None:
    task = registry()["mgsm"]()
    assert {task.cluster({}, language, f"{language}/17") for language in ("bn", "de", "en")} == {"17"}


# -- the rest of the pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\nIt is (A). So the answer is (A).", "(A)"),
        ("So the answer is ] } >.", "] } >"),
        ("So the answer is 1.5.", "1.5"),
        ("If the answer is no, go on. So the answer is yes.\nThat is all.", "yes"),
        ("So the answer is .", None),
        ("yes", None),
    ],
)
def test_bbh_answer(text: str, found: str | None) -> None:
    task = registry()["bbh"]()
    assert task.score(["x"], GenerateResponse((text,), ("stop",), (1,))).extracted == found


def test_gpqa_shuffles_by_seed_and_item() -> None:
    task = registry()["gpqa"]()
    assert isinstance(task, Generation)
    columns = ["Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"]
    rows = [{"Question": f"q{i}", "Explanation": "", **{column: column for column in columns}} for i in range(400)]
    counts = [sum(task.golds(row) == [letter] for row in rows) for letter in "ABCD"]
    assert sum(counts) == 400 and min(counts) > 70
    before = [task.golds(row) for row in rows]
    assert before == [task.golds(row) for row in rows]
    task.seed = 8
    assert before != [task.golds(row) for row in rows]


def test_metrics() -> None:
    assert metrics.MinervaMatch().compute(predictions=[r"\frac12", "3"], references=[["0.5"], ["4"]]) == {"exact_match": 0.5}
    assert metrics.MathVerify().compute(predictions=[r"it is $\boxed{x+1}$"], references=[["1+x"]]) == {"exact_match": 1.0}
    assert metrics.MathAnswerMatch().compute(predictions=[r"\left(1,2\right)", "(2,1)"], references=[["(1, 2)"], ["(1,2)"]]) == {
        "exact_match": 0.5
    }
    assert metrics.LocalNumberMatch().compute(predictions=["1.250"], references=[["1250"]]) == {"exact_match": 1.0}
