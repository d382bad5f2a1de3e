"""Programs in chat replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.metrics import code
from gemma_eval.settings import Sandbox
from gemma_eval.task.code import CodeGeneration
from gemma_eval.task.registry import registry

PROGRAM = "def f(x):\n    return x\n"


@pytest.mark.parametrize(
    ("reply", "program"),
    [
        (f"```python\n{PROGRAM}```", PROGRAM),
        (f"Here it is:\n\n```py\n{PROGRAM}```\n\nUse it so:\n\n```python\nprint(f(1))\n```", PROGRAM),
        (f"Call `f(1)`:\n```\nprint(f(1))\n```\nwith\n```\n{PROGRAM}```", PROGRAM),  # the block that defines something
        (f"```python\nclass A:\n    pass\n```\n```python\n{PROGRAM}```", "class A:\n    pass\n"),
        ("1. Write:\n   ```python\n   def f(x):\n       return x\n   ```", PROGRAM),
        ("```python\n    return x\n```", "    return x\n"),
        (f"```python\n{PROGRAM}", PROGRAM),  # cut short
        (f"The import is not needed.\n\n{PROGRAM}", PROGRAM),
        ("from math import pi\n" + PROGRAM, "from math import pi\n" + PROGRAM),
        ("from the list, import what you need", None),
        ("I cannot write code.", None),
        ("", None),
    ],
)
def test_programs_in_replies(reply: str, program: str | None) -> None:
    assert code.from_reply(reply) == program


def test_a_program_survives_its_fence() -> None:
    assert code.from_reply(f"Sure!\n{code.fenced(PROGRAM)}\nDone.") == PROGRAM


@pytest.mark.parametrize(
    ("tests", "program"),
    [("assert g(1) == 1", "def g(x):\n    return x\n"), ("check(f)", "def f(x):\n    return 2\n"), ("", "def f(x):\n    return 2\n")],
)
def test_the_block_that_defines_what_the_tests_use(tests: str, program: str) -> None:
    reply = "```python\ndef f(x):\n    return 2\n```\nand\n```python\ndef g(x):\n    return x\n```"
    assert code.from_reply(reply, tests) == program


def test_the_tests_of_an_item_choose_the_block() -> None:
    """A helper's block comes first; the score is that of the function that the tests call."""
    task = registry()["mbpp_it"]()
    assert isinstance(task, CodeGeneration)
    task.sandbox = Sandbox.subprocess
    reply = f"```python\ndef helper():\n    return 0\n```\n\n```python\n{PROGRAM}```"
    grade = task.grade(reply, ["", "assert f(1) == 1"])
    assert (grade.scores, grade.extracted) == ({"pass@1": 1.0}, PROGRAM)


@pytest.mark.parametrize("quotes", ['"""', "'''"])
def test_a_string_without_end_hides_no_fence(quotes: str) -> None:
    assert code.from_reply(f"```python\n# {quotes}\n{PROGRAM}```\nDone.") == f"# {quotes}\n{PROGRAM}"


@given(
    st.lists(
        st.sampled_from(
            ["    return x", "    x = 1", "", "    # ```", '    """a ``` b"""', "    y = '```' + z", "    if x:\n        pass"]
        ),
        max_size=6,
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "Sure!\n\n", "1. First:\n"]),
    st.sampled_from(["", "\n\nDone.", "\n\n```\nprint(f(1))\n```"]),
)
def test_a_program_in_a_block_is_read_whole(body: list[str], line_end: str, before: str, after: str) -> None:
    program = "\n".join(["def f(x):", *body, "    return 0"]) + "\n"
    reply = f"{before}```python\n{program}```{after}".replace("\n", line_end)
    assert code.from_reply(reply, "assert f(1) == 0") == program


def test_programs_before_a_fence_or_in_the_first_block() -> None:
    assert code.unfence(f"```python\r\n{PROGRAM}```\r\nDone.") == PROGRAM
    assert code.unfence(f"{PROGRAM}```\nDone.") == PROGRAM
    assert code.unfence(f"As so:\n```python\n{PROGRAM}```") == PROGRAM
    assert code.unfence(PROGRAM) == PROGRAM
