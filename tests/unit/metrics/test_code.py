"""Programs in chat replies."""

from __future__ import annotations

import pytest

from gemma_eval.metrics import code

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
