"""Rendered prompts, reviewed by eye: tests/golden/prompts/<task>.txt. `GEMMA_EVAL_GOLDEN=write pytest tests/golden` rewrites them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gemma_eval.build import build
from gemma_eval.data import open_source
from gemma_eval.task import registry
from gemma_eval.types import Sample, Score
from tests.readers import EvenReader

FOLDER = Path(__file__).parent / "prompts"
PAGES = sorted(name for name, cls in registry().items() if cls.__module__.startswith("gemma_eval.tasks"))


def shown(sample: Sample) -> str:
    prompt = "".join(str(part) for part in sample.request.prompt.parts)
    if isinstance(sample.request, Score):
        asked = [f"{c.given!r} + {c.text!r}" if c.given else repr(c.text) for c in sample.request.continuations]
    else:
        asked = [f"until {list(sample.request.stop)!r}, at most {sample.request.max_tokens} tokens"]
    return "\n".join([f"=== id {sample.id}  subset {sample.subset!r}", prompt + "|", "---", *asked, f"target {sample.target!r}"])


@pytest.mark.parametrize("name", PAGES)
def test_prompts_are_as_reviewed(name: str) -> None:
    task = registry()[name]()
    task.seed, task.limit = 1234, 2
    text = "\n".join(shown(sample) for sample in build(task, open_source(root=None, samples=True), EvenReader).samples) + "\n"
    file = FOLDER / f"{name}.txt"
    if os.environ.get("GEMMA_EVAL_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
